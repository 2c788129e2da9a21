package fact

import "time"

// Cluster is a set of machines that runs containers, as its control plane says.
type Cluster struct {
	Name             Opt[string]    `json:"name,omitzero" doc:"its name"`
	Engine           Opt[string]    `json:"engine,omitzero" doc:"such as kubernetes"`
	Version          Opt[string]    `json:"version,omitzero" doc:"version of the control plane"`
	Supported        Opt[bool]      `json:"supported,omitzero" doc:"the vendor still fixes this version"`
	SupportEndsAt    Opt[time.Time] `json:"support_ends_at,omitzero" doc:"end of the vendor's fixes"`
	AnonymousAccess  Opt[bool]      `json:"anonymous_access,omitzero" doc:"who did not sign in may see or do more than health and version"`
	RBAC             Opt[bool]      `json:"rbac,omitzero" doc:"rights follow roles"`
	AuditLog         Opt[bool]      `json:"audit_log,omitzero" doc:"requests to the control plane are logged"`
	SecretsEncrypted Opt[bool]      `json:"secrets_encrypted,omitzero" doc:"secrets are encrypted where the control plane keeps them"`
	Public           Opt[bool]      `json:"public,omitzero" doc:"its control plane can be reached from the whole internet"`
	Nodes            Opt[int64]     `json:"nodes,omitzero" doc:"machines in it"`
	OutdatedNodes    Opt[[]string]  `json:"outdated_nodes,omitzero" doc:"machines whose version is out of support or too far behind"`
	Owner            Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Cluster) Kind() string { return "cluster" }

// Namespace is a part of a cluster with rights and network rules of its own.
type Namespace struct {
	Name               Opt[string] `json:"name,omitzero" doc:"its name"`
	Cluster            Opt[Ref]    `json:"cluster,omitzero" doc:"cluster that it is in" ref:"cluster"`
	System             Opt[bool]   `json:"system,omitzero" doc:"it belongs to the cluster itself"`
	Workloads          Opt[int64]  `json:"workloads,omitzero" doc:"Pods that run in it"`
	NetworkPolicies    Opt[int64]  `json:"network_policies,omitzero" doc:"network policies in it"`
	DefaultDenyIngress Opt[bool]   `json:"default_deny_ingress,omitzero" doc:"a policy refuses to every Pod the incoming traffic that no other policy allows"`
	DefaultDenyEgress  Opt[bool]   `json:"default_deny_egress,omitzero" doc:"a policy refuses to every Pod the outgoing traffic that no other policy allows"`
	PodSecurity        Opt[string] `json:"pod_security,omitzero" doc:"Pod Security Standard that it enforces" enum:"none,privileged,baseline,restricted"`
	Owner              Opt[Ref]    `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Namespace) Kind() string { return "cluster_namespace" }

// Workload is a set of like containers that a cluster runs, or one alone.
type Workload struct {
	Name                Opt[string]   `json:"name,omitzero" doc:"its name"`
	Type                Opt[string]   `json:"type,omitzero" doc:"what made it, such as Deployment, DaemonSet, CronJob or Pod"`
	Cluster             Opt[Ref]      `json:"cluster,omitzero" doc:"cluster that it runs in" ref:"cluster"`
	Namespace           Opt[Ref]      `json:"namespace,omitzero" doc:"namespace that it runs in" ref:"cluster_namespace"`
	System              Opt[bool]     `json:"system,omitzero" doc:"it belongs to the cluster itself"`
	Replicas            Opt[int64]    `json:"replicas,omitzero" doc:"how many of it run"`
	Images              Opt[[]string] `json:"images,omitzero" doc:"container images"`
	ImagesPinned        Opt[bool]     `json:"images_pinned,omitzero" doc:"every image is named by its digest"`
	LatestTags          Opt[[]string] `json:"latest_tags,omitzero" doc:"images named by a tag that moves: latest, or none"`
	Privileged          Opt[bool]     `json:"privileged,omitzero" doc:"a container has all rights over its machine"`
	RunsAsRoot          Opt[bool]     `json:"runs_as_root,omitzero" doc:"a container may run as root"`
	PrivilegeEscalation Opt[bool]     `json:"privilege_escalation,omitzero" doc:"a process may gain more rights than its parent"`
	HostNetwork         Opt[bool]     `json:"host_network,omitzero" doc:"shares its machine's network"`
	HostPID             Opt[bool]     `json:"host_pid,omitzero" doc:"sees its machine's processes"`
	HostIPC             Opt[bool]     `json:"host_ipc,omitzero" doc:"shares its machine's memory segments"`
	HostPaths           Opt[[]string] `json:"host_paths,omitzero" doc:"folders of its machine that it mounts"`
	Capabilities        Opt[[]string] `json:"capabilities,omitzero" doc:"kernel capabilities added"`
	Seccomp             Opt[bool]     `json:"seccomp,omitzero" doc:"every container runs under a seccomp profile"`
	ReadOnlyRoot        Opt[bool]     `json:"read_only_root,omitzero" doc:"no container can write its own root file system"`
	LiteralSecrets      Opt[[]string] `json:"literal_secrets,omitzero" doc:"environment variables that look like secrets and hold their value in the definition; never the value"`
	ServiceAccount      Opt[string]   `json:"service_account,omitzero" doc:"account that it acts as in the cluster"`
	TokenMounted        Opt[bool]     `json:"token_mounted,omitzero" doc:"that account's token is mounted into it"`
	Limits              Opt[bool]     `json:"limits,omitzero" doc:"every container has a limit of memory"`
	Owner               Opt[Ref]      `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Workload) Kind() string { return "workload" }
