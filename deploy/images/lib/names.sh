# What the images are called, where their archives lie, and which id each has.
# Environment: CGP_IMAGE_REGISTRY, the registry in their names instead of the chart's image.registry.
# Sourced by build.sh and its tests, after common.sh and with `repo` set to the checkout. Leaves nothing.
# shellcheck shell=bash disable=SC2154,SC2034

images=$CGP_CACHE/images
programs=(operator worker producer)
version=$(sed -n '/^\[workspace.package\]/,/^\[[^w]/s/^version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
registry=${CGP_IMAGE_REGISTRY:-$(sed -n '/^image:/,/^[a-z]/s/^  registry: *//p' "$repo/charts/consumer-group-practice/values.yaml")}

reference() { echo "$registry/$1:$version"; }
archive() { echo "$images/$1-$version.tar"; }
# image_id PROGRAM: the digest of the configuration in its archive, which containerd uses as the image's id
image_id() { tar -xOf "$(archive "$1")" manifest.json | jq -r '.[0].Config' | sed 's|.*/||; s|\.json$||; s|^|sha256:|'; }
