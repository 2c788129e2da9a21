package main

import rego.v1

d := input.data

now_ns := 1795132800000000000 # 2026-11-20T00:00:00Z

d90 := 7776000000000000

d30 := 2592000000000000

deny contains msg("gh-reviews", "a merge needs no approving review") if { d.type == "github_repo"; not gh_reviews }
gh_reviews if d.protection.required_pull_request_reviews.required_approving_review_count >= 1

deny contains msg("gh-dismiss-stale", "a new push keeps old approvals") if { d.type == "github_repo"; not d.protection.required_pull_request_reviews.dismiss_stale_reviews }
deny contains msg("gh-status-checks", "a merge needs no status check") if { d.type == "github_repo"; not gh_contexts }
gh_contexts if count(d.protection.required_status_checks.contexts) > 0

deny contains msg("gh-admins", "administrators may pass the protection") if { d.type == "github_repo"; not d.protection.enforce_admins.enabled }
deny contains msg("gh-force-push", "the branch may be rewritten") if { d.type == "github_repo"; d.protection.allow_force_pushes.enabled }
deny contains msg("gh-secret-scanning", sprintf("secret scanning is %s", [d.security_and_analysis.secret_scanning.status])) if { d.type == "github_repo"; not gh_secret }
gh_secret if d.security_and_analysis.secret_scanning.status == "enabled"

deny contains msg("s3-encryption", "the bucket is not encrypted") if { d.type == "s3_bucket"; not s3_enc }
s3_enc if { some x in d.encryption.rules; x.apply.sse_algorithm in {"AES256", "aws:kms"} }

deny contains msg("s3-public-block", "public access is not blocked") if { d.type == "s3_bucket"; not s3_pab }
s3_pab if {
	b := d.public_access_block
	b.block_public_acls
	b.ignore_public_acls
	b.block_public_policy
	b.restrict_public_buckets
}

deny contains msg("s3-tls-only", "the bucket answers without TLS") if { d.type == "s3_bucket"; not s3_tls }
s3_tls if { some s in d.policy.statement; s.effect == "Deny"; s.condition.secure_transport == "false" }

deny contains msg("rds-encrypted", "the storage is not encrypted") if { d.type == "rds_instance"; not d.storage_encrypted }
deny contains msg("rds-backup", sprintf("backups are kept %d days", [d.backup_retention_period])) if { d.type == "rds_instance"; not rds_backup }
rds_backup if d.backup_retention_period >= 7

deny contains msg("iam-mfa", sprintf("%s signs in without a second factor", [d.user_name])) if { d.type == "iam_user"; d.password_enabled; count(d.mfa_devices) == 0 }
deny contains msg("iam-key-age", sprintf("%s has an active key older than 90 days", [d.user_name])) if {
	d.type == "iam_user"
	some k in d.access_keys
	k.status == "Active"
	now_ns - time.parse_rfc3339_ns(k.create_date) >= d90
}

deny contains msg("acct-root-mfa", "root has no second factor") if { d.type == "aws_account"; not acct_mfa }
acct_mfa if d.summary.account_mfa_enabled == 1

deny contains msg("acct-password", "the password policy is weak") if { d.type == "aws_account"; not acct_pw }
acct_pw if {
	p := d.password_policy
	p.minimum_length >= 14
	p.require_symbols
	p.require_numbers
	p.reuse_prevention >= 24
}

deny contains msg("sg-no-ssh", sprintf("anybody reaches port 22 of %s", [d.group_name])) if {
	d.type == "security_group"
	some p in d.ip_permissions
	p.from_port <= 22
	p.to_port >= 22
	some c in p.ip_ranges
	c.cidr_ip == "0.0.0.0/0"
}

deny contains msg("idp-mfa", sprintf("%s has no second factor", [d.email])) if { d.type == "idp_user"; not d.suspended; not d.mfa_enrolled }
deny contains msg("idp-inactive", sprintf("%s has not signed in for 90 days", [d.email])) if { d.type == "idp_user"; not d.suspended; now_ns - time.parse_rfc3339_ns(d.last_login) >= d90 }
deny contains msg("tls-expiry", sprintf("the certificate ends %s", [d.not_after])) if { d.type == "tls_cert"; time.parse_rfc3339_ns(d.not_after) - now_ns <= d30 }
deny contains msg("dev-disk-lock", sprintf("%s is not encrypted or does not lock", [d.hostname])) if { d.type == "device"; not dev_ok }
dev_ok if {
	d.disk_encryption.enabled
	d.screen_lock.enabled
	d.screen_lock.timeout_seconds <= 900
}

msg(check, text) := sprintf("%s\t%s\t%s", [check, input.id, text])
