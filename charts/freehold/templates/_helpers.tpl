{{/* The name of all objects: the release's name, which carries the chart's unless it already does. */}}
{{- define "freehold.fullname" -}}
{{- $named := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- default $named .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "freehold.serviceAccount" -}}
{{- default (include "freehold.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "freehold.image" -}}
{{- $digest := ternary "" (printf "@%s" .Values.image.digest) (empty .Values.image.digest) -}}
{{- printf "%s:%s%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) $digest -}}
{{- end -}}

{{/* What selects the operator's pod; it never changes, for a Deployment's selector cannot. */}}
{{- define "freehold.selector" -}}
app.kubernetes.io/name: freehold
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "freehold.canary.selector" -}}
app.kubernetes.io/name: freehold
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: canary
{{- end -}}

{{- define "freehold.labels" -}}
{{ include "freehold.selector" . }}
{{ include "freehold.labels.common" . }}
{{- end -}}

{{- define "freehold.canary.labels" -}}
{{ include "freehold.canary.selector" . }}
{{ include "freehold.labels.common" . }}
{{- end -}}

{{- define "freehold.labels.common" -}}
app.kubernetes.io/part-of: freehold
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The operator's ServiceAccount, as the one subject of a binding. */}}
{{- define "freehold.subjects" -}}
- kind: ServiceAccount
  name: {{ include "freehold.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* A map as KEY=VALUE,… for a variable. */}}
{{- define "freehold.pairs" -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}{{- $pairs = append $pairs (printf "%s=%s" $key $value) -}}{{- end -}}
{{- join "," $pairs -}}
{{- end -}}
