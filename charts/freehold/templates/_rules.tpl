{{/*
All the operator may do, in one place: what it watches it may list and watch; what it writes by server-side apply it may
create and patch. It replaces nothing, reads Secrets only where somebody let it, and may not delete those without which a
database cannot be opened.
*/}}

{{/* In each namespace it looks after. */}}
{{- define "freehold.rules.namespace" -}}
- apiGroups: [freehold.dev]
  resources: [microservices]
  verbs: [list, watch]
- apiGroups: [freehold.dev]
  resources: [microservices/status]
  verbs: [patch]
# A claim is deleted only while no volume is bound to it, to ask for another storage class.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
# A Deployment goes with its Microservice and never before.
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
# Where the cluster has the Gateway API.
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes]
  verbs: [get, list, watch, create, patch, delete]
# What the names of a service lead to that moved to another cluster.
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
