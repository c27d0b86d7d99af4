// The definitions of the Gateway API, which are files of its module; nothing of it is compiled.
module freehold.dev/localcluster/tools/gatewayapi

go 1.25.0

require sigs.k8s.io/gateway-api v1.6.3
