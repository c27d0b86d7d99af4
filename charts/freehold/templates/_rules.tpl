{{/*
All the operator may do, in one place: what it watches it may list and watch; what it writes by server-side apply it may
create and patch. It replaces nothing, and has no right to delete what holds data or what opens it.
*/}}

{{/* In each namespace it looks after. */}}
{{- define "freehold.rules.namespace" -}}
- apiGroups: [freehold.dev]
  resources: [microservices]
  verbs: [list, watch]
- apiGroups: [freehold.dev]
  resources: [microservices/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims, secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
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

{{/* What belongs to no namespace: labels of namespaces, for consent by selector, and the storage classes there are. */}}
{{- define "freehold.rules.cluster" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [list, watch]
{{- end -}}
