package demo

import (
	"fmt"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// tenants invents the spaces of accounts: the forge's organisation, the
// identity provider and the directory, with where code is deployed.
func (w *world) tenants() {
	loose := w.trouble("forge", 9, 0) // somebody let every member write
	w.vary("forge", "organisation", "forge/quillwort", func(at time.Time) fact.Data {
		f := fact.Tenant{
			Name: some("quillwort"), System: some("gitea"), MFARequired: some(true), BasePermission: some("read"), MembersCreatePublic: some(false),
			MembersCreate: some(true), MembersDelete: some(false), MembersInviteOutside: some(false), Members: some(int64(len(w.staff))),
			Admins: some([]string{w.staff[0].login, w.staff[3].login, w.staff[9].login}), Outside: some([]string{"partner-1", "partner-2", "partner-3", "partner-4"}),
			Apps: some([]string{"release-robot", "dependency-robot"}), ActionsAllowed: some("selected"), ActionsPinned: some(false), TokenReadOnly: some(true),
			ActionsApprove: some(false), AuditLog: some(fact.Ref("forge/quillwort/audit-log")), Owner: some(w.staff[0].id),
		}
		if loose.holds(at) {
			f.BasePermission = some("write")
		}
		return f
	})
	w.add("identity", "provider", "kratos/quillwort", fact.Tenant{
		Name: some("quillwort"), System: some("kratos"), MFARequired: some(true), MFAMethods: some([]string{"totp", "webauthn"}), PasswordMinLength: some[int64](12),
		PasswordBreachedRefused: some(true), LockoutAttempts: some[int64](10), SessionSeconds: some[int64](43200), SessionIdleSeconds: some[int64](3600),
		SelfRegistration: some(false), EncryptedTransport: some(true), Owner: some(w.staff[0].id),
	})
	w.add("directory", "provider", "directory/quillwort.test", fact.Tenant{
		Name: some("quillwort.test"), System: some("ldap"), PasswordMinLength: some[int64](8), LockoutAttempts: some[int64](0),
		EncryptedTransport: some(true), AnonymousAccess: some(true), Owner: some(w.staff[3].id),
	})
	w.add("forge", "organisation", "forge/quillwort/audit-log", fact.LogSource{
		Name: some("audit log of quillwort"), System: some("forge"), Enabled: some(true), Monitored: some(true), Immutable: some(true),
		KeptDays: some[int64](180), LastEventAt: some(w.ago(40 * time.Minute)),
	})
	for i, r := range w.repos[:12] {
		for _, name := range []string{"staging", "production"} {
			live := name == "production"
			w.add("forge", "environments", fmt.Sprintf("%s/environments/%s", r.id, name), fact.Environment{
				Name: some(name), Repository: some(r.id), Production: some(live), NeedsReviewer: some(live && i != 7), SelfReview: some(i == 5),
				Reviewers: some([]string{"release-managers"}), ProtectedBranch: some(live), AdminsPass: some(i == 2), WaitMinutes: some[int64](0),
			})
		}
	}
}

// cluster invents a Kubernetes cluster: what runs in it and who may do what.
func (w *world) cluster() {
	id := fact.Ref("cloud/runway")
	w.add("cloud", "cluster", string(id), fact.Cluster{
		Name: some("runway"), Engine: some("kubernetes"), Version: some("1.36.4"), Supported: some(true), SupportEndsAt: some(w.now.Add(190 * day)),
		AnonymousAccess: some(false), RBAC: some(true), AuditLog: some(true), Public: some(false), Nodes: some[int64](9),
		OutdatedNodes: some([]string{}), Owner: some(w.staff[6].id),
	})
	for i, name := range []string{"booking", "checkout", "identity", "reports", "platform", "kube-system"} {
		system := name == "kube-system"
		ns := fact.Ref("cloud/runway/" + name)
		w.add("cloud", "namespaces", string(ns), fact.Namespace{
			Name: some(name), Cluster: some(id), System: some(system), Workloads: some(int64(4 + i)), NetworkPolicies: some(int64(3 - i%4)),
			DefaultDenyIngress: some(!system && i != 3), DefaultDenyEgress: some(!system && i < 2), PodSecurity: some([]string{"restricted", "restricted", "baseline", "none", "baseline", "privileged"}[i]),
			Owner: some(w.staff[6+i].id),
		})
		for j, part := range []string{"api", "worker", "web", "jobs"} {
			w.workload(i, j, part, name, id, ns)
		}
		w.add("cloud", "grants", fmt.Sprintf("%s/edit/team-%s", ns, name), fact.Grant{
			Name: some("edit"), System: some("kubernetes"), Subject: some("team-" + name), SubjectType: some("group"), Role: some("edit"), Scope: some(name),
			Everywhere: some(false), Admin: some(false), Wildcard: some(false), ReadSecrets: some(i == 3), Builtin: some(system), Cluster: some(id),
		})
	}
	w.everybody(id)
	for i, who := range []string{"system:masters", w.staff[6].login, "build-runner"} {
		w.add("cloud", "grants", "cloud/runway/cluster-admin/"+who, fact.Grant{
			Name: some("cluster-admin"), System: some("kubernetes"), Subject: some(who), SubjectType: some([]string{"group", "user", "service"}[i]), Role: some("cluster-admin"),
			Scope: some("cluster"), Everywhere: some(true), Admin: some(true), Wildcard: some(true), ReadSecrets: some(true), Builtin: some(i == 0), Cluster: some(id),
		})
	}
}

// everybody invents the one right that who did not sign in holds.
func (w *world) everybody(cluster fact.Ref) {
	w.add("cloud", "grants", "cloud/runway/public-info/system:unauthenticated", fact.Grant{
		Name: some("system:public-info-viewer"), System: some("kubernetes"), Subject: some("system:unauthenticated"), SubjectType: some("everybody"),
		Role: some("system:public-info-viewer"), Scope: some("cluster"), Everywhere: some(true), Admin: some(false), Wildcard: some(false),
		ReadSecrets: some(false), Builtin: some(true), Cluster: some(cluster),
	})
	w.add("cloud", "grants", "cloud/runway/status-reader/system:unauthenticated", fact.Grant{
		Name: some("status-reader"), System: some("kubernetes"), Subject: some("system:unauthenticated"), SubjectType: some("everybody"), Role: some("view"),
		Scope: some("cluster"), Everywhere: some(true), Admin: some(false), Wildcard: some(false), ReadSecrets: some(false), Builtin: some(false), Cluster: some(cluster),
	})
}

func (w *world) workload(i, j int, part, space string, cluster, ns fact.Ref) {
	system, odd := space == "kube-system", i == 3 && j == 1
	w.add("cloud", "workloads", string(ns)+"/"+part, fact.Workload{
		Name: some(space + "-" + part), Type: some([]string{"Deployment", "Deployment", "Deployment", "CronJob"}[j]), Cluster: some(cluster), Namespace: some(ns),
		System: some(system), Replicas: some(int64(3 - j%3)), Images: some([]string{"registry.quillwort.example/" + space + "/" + part + ":2026.11"}),
		ImagesPinned: some(i < 3), LatestTags: some([]string{}), Privileged: some(odd || system && j == 0), RunsAsRoot: some(odd || system || i == 4 && j == 2),
		PrivilegeEscalation: some(odd || system), HostNetwork: some(system && j == 0), HostPID: some(false), HostIPC: some(false), HostPaths: some([]string{}),
		Capabilities: some([]string{}), Seccomp: some(i != 3), ReadOnlyRoot: some(i < 2), LiteralSecrets: some([]string{}), ServiceAccount: some(part),
		TokenMounted: some(odd || system), Limits: some(i != 4), Owner: some(w.staff[6+i].id),
	})
}
