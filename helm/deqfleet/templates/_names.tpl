{{- define "deqfleet.name" -}}
{{- if contains "deqfleet" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-deqfleet" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "deqfleet.selector" -}}
app.kubernetes.io/name: deqfleet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "deqfleet.labels" -}}
{{ include "deqfleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "deqfleet.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "deqfleet.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "deqfleet.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if eq $tag "latest" }}{{ fail "image.tag latest: name a version, or nodes of one fleet run different ones" }}{{ end -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end }}
{{/* Where the chart cannot work, said before anything is installed. */}}
{{- define "deqfleet.check" -}}
{{- $names := list }}
{{- range .Values.pools }}
{{- if has .name $names }}{{ fail (printf "pools: two are named %s" .name) }}{{ end }}
{{- $names = append $names .name }}
{{- if and .image .imageSuffix }}{{ fail (printf "pools %s: give image or imageSuffix, not both" .name) }}{{ end }}
{{- if and (.scaling).enabled (eq $.Values.nats.mode "none") }}{{ fail (printf "pools %s: scaling.enabled needs NATS; set nats.mode to bundled or external" .name) }}{{ end }}
{{- if and (.scaling).enabled (eq $.Values.nats.mode "external") (not $.Values.nats.monitoring) }}{{ fail "nats.monitoring: scaling asks the servers' monitoring; give HOST:PORT" }}{{ end }}
{{- end }}
{{- if and (gt (int .Values.coordinator.replicas) 1) (eq .Values.nats.mode "none") }}{{ fail "coordinator.replicas: more than one needs NATS; set nats.mode to bundled or external" }}{{ end }}
{{- if and (eq .Values.nats.mode "external") (not .Values.nats.config.servers) }}{{ fail "nats.config.servers: give the external servers, nats://HOST:PORT" }}{{ end }}
{{- if and .Values.tls.enabled (not .Values.tls.secret) (not .Values.tls.certManager.issuerName) }}{{ fail "tls: give secret or certManager.issuerName" }}{{ end }}
{{- end }}
{{/* The servers' monitoring, as KEDA reaches it from its own namespace: a bare name is one of this release's. */}}
{{- define "deqfleet.natsMonitoring" -}}
{{- $given := .Values.nats.monitoring | default (printf "%s-nats:8222" (include "deqfleet.name" .)) -}}
{{- if regexMatch "^[^.:\\[]+:" $given }}{{ $given | replace ":" (printf ".%s:" .Release.Namespace) }}{{ else }}{{ $given }}{{ end }}
{{- end }}

{{/* Messages in the stream of items, in what the monitoring says, as gjson finds them: of the account, or of the first that has it. */}}
{{- define "deqfleet.natsMessages" -}}
{{- with .Values.nats.account }}account_details.#(name=="{{ . }}").stream_detail.{{ else }}account_details.#.stream_detail|@flatten|{{ end -}}
#(name=="{{ (.Values.nats.config).prefix | default "deqfleet" }}-items").state.messages
{{- end }}

{{- define "deqfleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "deqfleet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- define "deqfleet.tlsOptions" -}}
tlsCa: /etc/deqfleet/tls/ca.crt
tlsCert: /etc/deqfleet/tls/tls.crt
tlsKey: /etc/deqfleet/tls/tls.key
tlsServerName: {{ .Values.tls.serverName }}
{{- end }}
{{- define "deqfleet.tlsArguments" -}}
{{- if .Values.tls.enabled }}
- --tls-ca=/etc/deqfleet/tls/ca.crt
- --tls-cert=/etc/deqfleet/tls/tls.crt
- --tls-key=/etc/deqfleet/tls/tls.key
- --tls-server-name={{ .Values.tls.serverName }}
{{- end }}
{{- end }}
{{- define "deqfleet.tlsSecret" -}}
{{ .Values.tls.secret | default (printf "%s-tls" (include "deqfleet.name" .)) }}
{{- end }}
{{- define "deqfleet.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
{{/* Environment of whoever reads and writes stores. */}}
{{- define "deqfleet.environment" -}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .Values.s3.endpoint }}
- {name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }}}
{{- end }}
{{- with .Values.s3.region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- define "deqfleet.mounts" -}}
- {name: config, mountPath: /etc/deqfleet/config, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/deqfleet/tls, readOnly: true}
{{- end }}
{{- range .Values.datasets }}
- {name: dataset-{{ .name }}, mountPath: {{ .mountPath }}, readOnly: {{ .readOnly | default false }}}
{{- end }}
{{- end }}
{{- define "deqfleet.volumes" -}}
- name: config
  configMap: {name: {{ include "deqfleet.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
{{- if .Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ include "deqfleet.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
{{- range .Values.datasets }}
- name: dataset-{{ .name }}
  persistentVolumeClaim: {claimName: {{ .claim }}, readOnly: {{ .readOnly | default false }}}
{{- end }}
{{- end }}
{{/* Where a pool's model comes from, as YAML: its own, or that of all. */}}
{{- define "deqfleet.model" -}}
{{- merge (dict) (.pool.model | default dict) .root.Values.model | toYaml }}
{{- end }}

{{/* Copies the model out of its image, if it is in one. */}}
{{- define "deqfleet.modelCopy" -}}
{{- if eq .model.source "image" }}
- name: model
  image: {{ required "model.image: an image that holds the model" .model.image }}
  command: [cp, {{ printf "/models/%s" .model.file | quote }}, /target/]
  resources:
    requests: {cpu: 100m, memory: 128Mi}
    limits: {cpu: "1", memory: 512Mi}
  securityContext: {{- include "deqfleet.containerSecurity" .root | nindent 4 }}
  volumeMounts:
    - {name: model, mountPath: /target}
{{- end }}
{{- end }}

{{/* What is mounted at /models, unless the packaged model is taken. */}}
{{- define "deqfleet.modelVolume" -}}
{{- if eq .source "pvc" }}
- name: model
  persistentVolumeClaim: {claimName: {{ required "model.claim: the claim that holds the model" .claim }}, readOnly: true}
{{- else if eq .source "image" }}
- name: model
  emptyDir: {}
{{- end }}
{{- end }}

{{- define "deqfleet.spread" -}}
{{- $ := .root -}}
{{- if $.Values.topologySpread.enabled }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ $.Values.topologySpread.topologyKey }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "deqfleet.selector" $ | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}
