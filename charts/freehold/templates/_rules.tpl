{{/*
The operator's rights, in one place: list and watch for watched kinds, create and patch for kinds written by server-side
apply. No update; Secrets only with a grant, and without the right to delete credentials.
*/}}

{{/* In each managed namespace. */}}
{{- define "freehold.rules.namespace" -}}
- apiGroups: [freehold.dev]
  resources: [microservices]
  verbs: [list, watch]
- apiGroups: [freehold.dev]
  resources: [microservices/status]
  verbs: [patch]
# A claim is deleted only while no volume is bound to it, when the copy of a move is discarded, or after the rollback
# window of a move under deletionPolicy: Delete.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# A Deployment is deleted with its Microservice by the garbage collector, never by the operator.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Used where the cluster serves the Gateway API.
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes]
  verbs: [get, list, watch, create, patch, delete]
# Remote endpoints of a service that moved to another cluster.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* In each namespace whose administrator binds it. */}}
{{- define "freehold.rules.secrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
{{- end -}}

{{/* For Freehold of another cluster, in each namespace that is introduced to it: it looks, and touches nothing. */}}
{{- define "freehold.rules.remoteReader" -}}
- apiGroups: [freehold.dev]
  resources: [microservices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, pods, secrets, services]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list, watch]
{{- end -}}

{{/* In the operator's own namespace: its certificate authority, and no other Secret; Events about its own pod. */}}
{{- define "freehold.rules.home" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [freehold-ca]
  verbs: [get, patch]
{{- end -}}

{{/* What belongs to no namespace: labels of namespaces, for consent by selector, and the storage classes there are. */}}
{{- define "freehold.rules.cluster" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [list, watch]
{{- end -}}
