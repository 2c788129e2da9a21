package main

// The invented inventory: for each number the same resource, with realistic
// noise around the fields that the checks read.

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// now is the instant at which everything is judged; checks.rego holds it too.
var now = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// observed is when every fact was observed.
const observed = "2026-11-19T23:00:00Z"

type gen struct {
	pcg *rand.PCG // reseeded per line, so line i can be made again at will
	r   *rand.Rand
	b   strings.Builder
}

func (g *gen) p(pct int) bool { return g.r.IntN(100) < pct }
func (g *gen) ts(minDays, maxDays int) string {
	d := minDays + g.r.IntN(maxDays-minDays)
	return now.Add(-time.Duration(d)*24*time.Hour + time.Duration(g.r.IntN(86400))*time.Second).Format(time.RFC3339)
}
func (g *gen) hex(n int) string {
	const h = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = h[g.r.IntN(16)]
	}
	return string(b)
}
func (g *gen) w(f string, a ...any) { fmt.Fprintf(&g.b, f, a...) }

var repoURLs = []string{"forks", "keys", "collaborators", "teams", "hooks", "issue_events", "events", "assignees", "branches", "tags", "git_refs", "trees", "statuses", "languages", "stargazers", "contributors", "subscribers", "commits", "git_commits", "comments", "contents", "compare", "merges", "archive", "downloads", "issues", "pulls", "milestones", "labels", "releases", "deployments"}

func (g *gen) tags(n int) {
	g.w(`"tags":[`)
	for i := 0; i < n; i++ {
		if i > 0 {
			g.w(",")
		}
		g.w(`{"key":"tag-%d","value":"%s"}`, i, g.hex(12))
	}
	g.w(`],`)
}

func (g *gen) one(i int) string {
	g.b.Reset()
	g.pcg.Seed(1, uint64(i))
	x := g.r.IntN(100)
	switch {
	case x < 10:
		n := fmt.Sprintf("svc-%06d", i)
		g.w(`{"id":"github_repo/acme/%s","type":"github_repo","source":"github/acme","name":"%s","full_name":"acme/%s","private":%t,"archived":false,"fork":false,"default_branch":"main","visibility":"private","description":"Service %s owned by team \"%s\" \u2014 tier %d",`, n, n, n, g.p(80), n, g.hex(6), g.r.IntN(4))
		for _, u := range repoURLs {
			g.w(`"%s_url":"https://api.github.com/repos/acme/%s/%s{/id}",`, u, n, u)
		}
		g.w(`"owner":{"login":"acme","id":%d,"node_id":"%s","type":"Organization","site_admin":false},"license":{"key":"agpl-3.0","spdx_id":"AGPL-3.0"},"topics":["go","svc","%s"],"permissions":{"admin":false,"maintain":false,"push":true,"triage":true,"pull":true},"size":%d,"stargazers_count":%d,"open_issues_count":%d,"created_at":"%s","pushed_at":"%s",`, g.r.IntN(1e6), g.hex(20), g.hex(5), g.r.IntN(1e6), g.r.IntN(100), g.r.IntN(100), g.ts(400, 900), g.ts(0, 30))
		g.w(`"security_and_analysis":{"secret_scanning":{"status":"%s"},"secret_scanning_push_protection":{"status":"enabled"},"dependabot_security_updates":{"status":"enabled"}},"protection":{"url":"https://api.github.com/repos/acme/%s/branches/main/protection",`, pick(g.p(85), "enabled", "disabled"), n)
		if g.p(92) {
			g.w(`"required_status_checks":{"strict":true,"contexts":[`)
			if g.p(95) {
				g.w(`"ci/test","ci/lint","security/scan"`)
			}
			g.w(`],"checks":[{"context":"ci/test","app_id":15368}]},`)
		}
		if g.p(92) {
			g.w(`"required_pull_request_reviews":{"dismiss_stale_reviews":%t,"require_code_owner_reviews":%t,"required_approving_review_count":%d},`, g.p(90), g.p(50), pick(g.p(95), 1+g.r.IntN(2), 0))
		}
		g.w(`"enforce_admins":{"url":"https://api.github.com/x","enabled":%t},"required_linear_history":{"enabled":false},"allow_force_pushes":{"enabled":%t},"allow_deletions":{"enabled":false}}}`, g.p(85), g.p(5))
	case x < 25:
		n := fmt.Sprintf("bucket-%06d", i)
		g.w(`{"id":"s3_bucket/%s","type":"s3_bucket","source":"aws/1234","arn":"arn:aws:s3:::%s","name":"%s","region":"eu-west-1","creation_date":"%s",`, n, n, n, g.ts(10, 2000))
		g.tags(6)
		g.w(`"encryption":{"rules":[%s]},`, pick(g.p(93), `{"apply":{"sse_algorithm":"`+pick(g.p(50), "AES256", "aws:kms")+`","kms_master_key_id":"arn:aws:kms:eu-west-1:1:key/`+g.hex(30)+`"},"bucket_key_enabled":true}`, ""))
		g.w(`"public_access_block":{"block_public_acls":%t,"ignore_public_acls":%t,"block_public_policy":%t,"restrict_public_buckets":%t},"versioning":{"status":"Enabled"},"logging":{"target_bucket":"logs","target_prefix":"%s"},`, g.p(97), g.p(97), g.p(97), g.p(97), n)
		g.w(`"policy":{"version":"2012-10-17","statement":[{"sid":"ReadOnly","effect":"Allow","principal":"arn:aws:iam::1:role/%s","action":["s3:GetObject","s3:ListBucket"],"resource":["arn:aws:s3:::%s/*"],"condition":{}}`, g.hex(8), n)
		if g.p(80) {
			g.w(`,{"sid":"TLS","effect":"Deny","principal":"*","action":["s3:*"],"resource":["arn:aws:s3:::%s/*"],"condition":{"secure_transport":"false"}}`, n)
		}
		g.w(`]},"lifecycle":{"rules":[{"id":"exp","status":"Enabled","days":%d}]}}`, g.r.IntN(400))
	case x < 30:
		g.w(`{"id":"rds_instance/db-%06d","type":"rds_instance","source":"aws/1234","arn":"arn:aws:rds:eu-west-1:1:db:db-%d","engine":"postgres","engine_version":"15.4","class":"db.r6g.large","allocated_storage":%d,"multi_az":%t,"storage_encrypted":%t,"kms_key_id":"arn:aws:kms:eu-west-1:1:key/%s","backup_retention_period":%d,"publicly_accessible":false,`, i, i, g.r.IntN(1000), g.p(50), g.p(94), g.hex(30), pick(g.p(88), 7+g.r.IntN(20), 1))
		g.tags(5)
		g.w(`"vpc_security_groups":[{"id":"sg-%s","status":"active"},{"id":"sg-%s","status":"active"}],"endpoint":{"address":"db-%d.%s.eu-west-1.rds.amazonaws.com","port":5432},"created_at":"%s"}`, g.hex(10), g.hex(10), i, g.hex(8), g.ts(5, 900))
	case x < 45:
		g.w(`{"id":"iam_user/u%06d","type":"iam_user","source":"aws/1234","arn":"arn:aws:iam::1:user/u%d","user_name":"u%d","user_id":"AIDA%s","create_date":"%s","password_enabled":%t,"mfa_devices":[%s],"access_keys":[`, i, i, i, g.hex(16), g.ts(100, 1500), g.p(60), pick(g.p(90), `{"serial_number":"arn:aws:iam::1:mfa/u","enable_date":"2025-01-01T00:00:00Z"}`, ""))
		for k := g.r.IntN(3); k > 0; k-- {
			g.w(`{"access_key_id":"AKIA%s","status":"%s","create_date":"%s","last_used":"%s"}`, g.hex(16), pick(g.p(80), "Active", "Inactive"), g.ts(1, 110), g.ts(0, 60))
			if k > 1 {
				g.w(",")
			}
		}
		g.w(`],"groups":["dev","ops"],"attached_policies":[{"arn":"arn:aws:iam::aws:policy/ReadOnlyAccess","name":"ReadOnlyAccess"}],`)
		g.tags(3)
		g.w(`"path":"/"}`)
	case x < 46:
		g.w(`{"id":"aws_account/%012d","type":"aws_account","source":"aws/org","name":"acct-%d","status":"ACTIVE","summary":{"users":%d,"groups":12,"roles":220,"account_mfa_enabled":%d,"account_access_keys_present":0},"password_policy":{"minimum_length":%d,"require_symbols":true,"require_numbers":%t,"require_uppercase":true,"reuse_prevention":%d,"max_age":90}}`, i, i, g.r.IntN(300), pick(g.p(97), 1, 0), pick(g.p(90), 14, 8), g.p(95), pick(g.p(90), 24, 5))
	case x < 60:
		g.w(`{"id":"security_group/sg-%06d","type":"security_group","source":"aws/1234","group_name":"sg-%d","vpc_id":"vpc-%s","owner_id":"123456789012","description":"managed by terraform",`, i, i, g.hex(10))
		g.tags(4)
		g.w(`"ip_permissions":[`)
		n := 1 + g.r.IntN(6)
		for k := 0; k < n; k++ {
			if k > 0 {
				g.w(",")
			}
			port := []int{80, 443, 5432, 22, 8080, 6379}[g.r.IntN(6)]
			g.w(`{"ip_protocol":"tcp","from_port":%d,"to_port":%d,"ip_ranges":[{"cidr_ip":"10.%d.0.0/16","description":"internal"},{"cidr_ip":"%s","description":"rule"}]}`, port, port, g.r.IntN(255), pick(g.p(12), "0.0.0.0/0", "172.16.0.0/12"))
		}
		g.w(`]}`)
	case x < 80:
		g.w(`{"id":"idp_user/p%06d","type":"idp_user","source":"google/acme","email":"p%d@acme.example","given_name":"Ana","family_name":"Souza %s","org_unit":"/eng/%s","suspended":%t,"is_admin":%t,"mfa_enrolled":%t,"mfa_enforced":true,"last_login":"%s","created_at":"%s","aliases":["p%d@acme.dev"],"groups":["all@acme.example","eng@acme.example","team-%s@acme.example"],"manager":"m%d@acme.example","phones":[{"type":"work","value":"+55 11 9%08d"}],"locale":"pt-BR"}`, i, i, g.hex(4), g.hex(3), g.p(5), g.p(2), g.p(96), g.ts(0, 100), g.ts(100, 900), i, g.hex(3), g.r.IntN(50), g.r.IntN(1e8))
	case x < 85:
		g.w(`{"id":"tls_cert/h%06d","type":"tls_cert","source":"probe/tls","host":"h%d.acme.example","port":443,"subject":"CN=h%d.acme.example","issuer":"CN=R11,O=Let's Encrypt,C=US","serial":"%s","not_before":"%s","not_after":"%s","sans":["h%d.acme.example","www.h%d.acme.example"],"key_type":"ECDSA","key_bits":256,"protocols":["TLSv1.2","TLSv1.3"],"fingerprint_sha256":"%s"}`, i, i, i, g.hex(36), g.ts(1, 80), g.ts(-90, -10), i, i, g.hex(64))
	default:
		g.w(`{"id":"device/d%06d","type":"device","source":"mdm/fleet","hostname":"mbp-%s","serial":"%s","platform":"darwin","os_version":"15.%d.1","model":"MacBookPro18,3","user":"p%d@acme.example","last_seen":"%s","disk_encryption":{"enabled":%t,"type":"FileVault"},"screen_lock":{"enabled":%t,"timeout_seconds":%d},"firewall":{"enabled":true,"stealth":false},"software":[`, i, g.hex(6), g.hex(12), g.r.IntN(7), i, g.ts(0, 20), g.p(96), g.p(97), []int{300, 600, 900, 1800}[g.r.IntN(12)/3])
		n := 5 + g.r.IntN(15)
		for k := 0; k < n; k++ {
			if k > 0 {
				g.w(",")
			}
			g.w(`{"name":"pkg-%d","version":"%d.%d.%d","bundle":"com.vendor.%s"}`, k, g.r.IntN(9), g.r.IntN(20), g.r.IntN(30), g.hex(6))
		}
		g.w(`]}`)
	}
	return g.b.String()
}

func pick[T any](c bool, a, b T) T {
	if c {
		return a
	}
	return b
}

func newGen() *gen { p := rand.NewPCG(1, 2); return &gen{pcg: p, r: rand.New(p)} }

// fact wraps the resource of a line as a fact of kind item.
func (g *gen) fact(i int) string {
	data := g.one(i)
	id, _, _ := strings.Cut(data[len(`{"id":"`):], `"`)
	return `{"kind":"item","id":"` + id + `","source":"bench","observed_at":"` + observed + `","data":` + data + `}`
}

// generate writes n facts, one a line or as one array.
func generate(path string, n int, array bool) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	g := newGen()
	for i := range n {
		switch {
		case array && i == 0:
			w.WriteString("[\n")
		case array:
			w.WriteString(",")
		}
		w.WriteString(g.fact(i))
		w.WriteString("\n")
	}
	if array {
		w.WriteString("]\n")
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
