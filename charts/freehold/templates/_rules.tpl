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
# Read for refusals of pods, which the controllers of StatefulSets and Jobs report in Events alone.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list, watch, create]
{{- end -}}

{{/* In each namespace whose administrator binds it. */}}
{{- define "freehold.rules.secrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
{{- end -}}

{{/* In the namespace of DNS, where the operator does not have the rights of a managed namespace. */}}
{{- define "freehold.rules.dns" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
{{- end -}}

{{/* For Freehold of another cluster, in each namespace that is linked: read access without Secrets. `kubectl freehold
cluster link` adds a Role for the Secrets of the named services. */}}
{{- define "freehold.rules.remoteReader" -}}
- apiGroups: [freehold.dev]
  resources: [microservices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, pods, services]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list, watch]
{{- end -}}

{{/* In the operator's own namespace: its certificate authority, and no other Secret; the registry of remote clusters; its
Lease; Events about its own pod. */}}
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
# The registry of remote clusters.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [freehold-clusters]
  verbs: [get]
# A right to create cannot be limited to a name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "freehold.fullname" . }}]
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

{{/* What the admission policies match: every kind that the operator may write, Events and statuses excepted. */}}
{{- define "freehold.policy.rules" -}}
{{- $operations := toJson . -}}
- apiGroups: [""]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [configmaps, persistentvolumeclaims, secrets, serviceaccounts, services]
- apiGroups: [apps]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [deployments, statefulsets]
- apiGroups: [batch]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [jobs]
- apiGroups: [networking.k8s.io]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [networkpolicies]
- apiGroups: [gateway.networking.k8s.io]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [grpcroutes]
- apiGroups: [discovery.k8s.io]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [endpointslices]
- apiGroups: [policy]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [poddisruptionbudgets]
- apiGroups: [coordination.k8s.io]
  apiVersions: ["*"]
  operations: {{ $operations }}
  resources: [leases]
{{- end -}}

{{/* Whose requests they judge: those of the operator's account. */}}
{{- define "freehold.policy.conditions" -}}
- name: operator
  expression: request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:{{ include "freehold.serviceAccount" . }}'
{{- end -}}
