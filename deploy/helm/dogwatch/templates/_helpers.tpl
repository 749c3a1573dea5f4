{{- define "dogwatch.name" -}}
{{- if contains "dogwatch" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-dogwatch" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "dogwatch.selector" -}}
app.kubernetes.io/name: dogwatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dogwatch.labels" -}}
{{ include "dogwatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
