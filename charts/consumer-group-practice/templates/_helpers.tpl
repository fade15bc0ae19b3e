{{/* The name of the operator's objects. */}}
{{- define "cgp.operator" -}}
{{ .Release.Name }}-operator
{{- end }}

{{/* The name of the objects of helm test. */}}
{{- define "cgp.selftest" -}}
{{ .Release.Name }}-selftest
{{- end }}

{{/* The selector of the operator's Deployment and Service. Never changes within a release. */}}
{{- define "cgp.selector" -}}
app.kubernetes.io/name: consumer-group-practice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "cgp.labels" -}}
{{ include "cgp.selector" . }}
{{ include "cgp.origin" . }}
{{- end }}

{{/* The labels of the roles of users. */}}
{{- define "cgp.userRole" -}}
app.kubernetes.io/name: consumer-group-practice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: user-role
{{ include "cgp.origin" . }}
{{- end }}

{{/* Metadata of the objects of helm test, which are hooks. In: list of the root and a weight, which orders the hooks. */}}
{{- define "cgp.selftestMetadata" -}}
{{- $root := index . 0 -}}
name: {{ include "cgp.selftest" $root }}
namespace: {{ $root.Release.Namespace }}
labels:
  app.kubernetes.io/name: consumer-group-practice
  app.kubernetes.io/instance: {{ $root.Release.Name }}
  app.kubernetes.io/component: selftest
  {{- include "cgp.origin" $root | nindent 2 }}
  {{- with include "cgp.moreLabels" (list "operator" $root.Values.operator) }}{{ . | nindent 2 }}{{ end }}
annotations:
  helm.sh/hook: test
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
  helm.sh/hook-weight: {{ index . 1 | quote }}
{{- end }}

{{- define "cgp.origin" -}}
app.kubernetes.io/part-of: consumer-group-practice
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image reference. In: list of the root and one program's values. */}}
{{- define "cgp.image" -}}
{{- $root := index . 0 }}{{ $image := (index . 1).image -}}
{{- $registry := $root.Values.image.registry }}
{{- if $registry }}
{{- if contains ":" $image.repository }}
{{- fail (printf "image.registry: the repository %q has its own registry: set image.registry to \"\" and write the registry into each image.repository, or remove it from this one" $image.repository) }}
{{- end }}
{{- $registry }}/
{{- else if not (regexMatch "^([^/]+[.:][^/]*|localhost)/" $image.repository) }}
{{- fail (printf "image.registry is empty, and the repository %q names no registry: set image.registry, or write a registry into each image.repository" $image.repository) }}
{{- end }}
{{- $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* resources with each quantity as a string: 1 and 0.5 are numbers in YAML. */}}
{{- define "cgp.resources" -}}
{{- $out := dict }}
{{- range $kind, $quantities := . }}
{{- $strings := dict }}
{{- range $name, $quantity := $quantities }}{{ $_ := set $strings $name (toString $quantity) }}{{ end }}
{{- if $strings }}{{ $_ := set $out $kind $strings }}{{ end }}
{{- end }}
{{- toYaml $out }}
{{- end }}

{{/* Placement and pull secrets: the fields of a pod's spec that are set. In: one program's values. */}}
{{- define "cgp.placement" -}}
{{- $out := dict }}
{{- range $name := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $ $name }}{{ $_ := set $out $name . }}{{ end }}
{{- end }}
{{- if $out }}{{ toYaml $out }}{{ end }}
{{- end }}

{{/* Further labels, except those that the chart or the operator sets and selects by. In: list of a program's name and values. */}}
{{- define "cgp.moreLabels" -}}
{{- $program := index . 0 }}
{{- range $key, $_ := (index . 1).labels }}
{{- if regexMatch "^(kafka-practice\\.dev/.*|helm\\.sh/chart|app\\.kubernetes\\.io/(name|instance|component|part-of|managed-by|version))$" $key }}
{{- fail (printf "%s.labels: %s is set by the chart or the operator: use another key" $program $key) }}
{{- end }}
{{- end }}
{{- with (index . 1).labels }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* Fails if a prefix has another placeholder than {namespace}. In: list of a field and the bounds that it has. Renders nothing. */}}
{{- define "cgp.checkPrefixes" -}}
{{- $field := index . 0 }}{{ $bounds := index . 1 }}
{{- range $rule := list "topicPrefixes" "groupPrefixes" }}
{{- range $i, $prefix := index $bounds $rule }}
{{- if regexMatch "[{}]" ($prefix | replace "{namespace}" "") }}
{{- fail (printf "%s.%s[%d]: prefix %q has a brace that is not part of {namespace}: remove it, or write {namespace}, which stands for the namespace of the practice" $field $rule $i $prefix) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The operator's configuration file: the values of policy, worker and producer that are set. */}}
{{- define "cgp.config" -}}
{{- $config := dict }}
{{- $policy := dict }}
{{- with .Values.policy.default }}{{ include "cgp.checkPrefixes" (list "policy.default" .) }}{{ $_ := set $policy "default" . }}{{ end }}
{{- range $namespace, $bounds := .Values.policy.namespaces }}{{ include "cgp.checkPrefixes" (list (printf "policy.namespaces.%s" $namespace) $bounds) }}{{ end }}
{{- with .Values.policy.namespaces }}{{ $_ := set $policy "namespaces" . }}{{ end }}
{{- with .Values.policy.maxPairs }}{{ $_ := set $policy "maxPairs" (int64 .) }}{{ end }}
{{- if $policy }}{{ $_ := set $config "policy" $policy }}{{ end }}
{{- range $name := list "worker" "producer" }}
{{- $values := index $.Values $name }}
{{- $pods := include "cgp.placement" $values | fromYaml }}
{{- with include "cgp.resources" $values.resources | fromYaml }}{{ $_ := set $pods "resources" . }}{{ end }}
{{- with include "cgp.moreLabels" (list $name $values) | fromYaml }}{{ $_ := set $pods "labels" . }}{{ end }}
{{- if $pods }}{{ $_ := set $config $name $pods }}{{ end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* kafka.bootstrapServers as one comma separated string, or a failure with the fix. */}}
{{- define "cgp.bootstrapServers" -}}
{{- $value := .Values.kafka.bootstrapServers | default "" }}
{{- $servers := kindIs "slice" $value | ternary $value (splitList "," (toString $value)) }}
{{- $trimmed := list }}
{{- range $servers }}{{ $trimmed = append $trimmed (trim .) }}{{ end }}
{{- if eq (join "" $trimmed) "" }}
{{- fail "kafka.bootstrapServers is empty: set it to the host:port where pods reach Kafka, for example --set kafka.bootstrapServers=my-cluster-kafka-bootstrap.kafka:9092" }}
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
