{{/* The name of everything that belongs to the operator. */}}
{{- define "cgp.operator" -}}
{{ .Release.Name }}-operator
{{- end }}

{{/* What the operator's Deployment and Service select by. Never changes within a release. */}}
{{- define "cgp.selector" -}}
app.kubernetes.io/name: consumer-group-practice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "cgp.labels" -}}
{{ include "cgp.selector" . }}
app.kubernetes.io/part-of: consumer-group-practice
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image reference. In: list of the root and one program's values. */}}
{{- define "cgp.image" -}}
{{- $root := index . 0 }}{{ $image := (index . 1).image -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* kafka.bootstrapServers as one comma separated string, or a refusal that says what to write. */}}
{{- define "cgp.bootstrapServers" -}}
{{- $value := .Values.kafka.bootstrapServers | default "" }}
{{- $servers := kindIs "slice" $value | ternary $value (splitList "," (toString $value)) }}
{{- $trimmed := list }}
{{- range $servers }}{{ $trimmed = append $trimmed (trim .) }}{{ end }}
{{- if eq (join "" $trimmed) "" }}
{{- fail "kafka.bootstrapServers is empty: set it to the host:port at which pods reach Kafka, for example --set kafka.bootstrapServers=my-cluster-kafka-bootstrap.kafka:9092" }}
{{- end }}
{{- range $trimmed }}
{{- if not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$" .) }}
{{- fail (printf "kafka.bootstrapServers: %q is not host:port: write for example my-cluster-kafka-bootstrap.kafka:9092, several separated by commas or as a list" .) }}
{{- end }}
{{- $port := regexFind "[0-9]+$" . | int }}
{{- if or (lt $port 1) (gt $port 65535) }}
{{- fail (printf "kafka.bootstrapServers: the port of %q is not one of 1 to 65535" .) }}
{{- end }}
{{- end }}
{{- join "," $trimmed }}
{{- end }}
