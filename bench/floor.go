package main

// The hand-written floor: the same twenty checks as plain Go over one struct
// that encoding/json fills, writing the same lines.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

type enabled struct {
	Enabled bool `json:"enabled"`
}

type floorFact struct {
	ID   string    `json:"id"`
	Data floorData `json:"data"`
}

type floorData struct {
	Type       string `json:"type"`
	Protection struct {
		Reviews *struct {
			Dismiss bool  `json:"dismiss_stale_reviews"`
			Count   int64 `json:"required_approving_review_count"`
		} `json:"required_pull_request_reviews"`
		Status *struct {
			Contexts []string `json:"contexts"`
		} `json:"required_status_checks"`
		Admins enabled `json:"enforce_admins"`
		Force  enabled `json:"allow_force_pushes"`
	} `json:"protection"`
	Security struct {
		SecretScanning struct {
			Status string `json:"status"`
		} `json:"secret_scanning"`
	} `json:"security_and_analysis"`
	Encryption struct {
		Rules []struct {
			Apply struct {
				Algorithm string `json:"sse_algorithm"`
			} `json:"apply"`
		} `json:"rules"`
	} `json:"encryption"`
	Block struct {
		A bool `json:"block_public_acls"`
		B bool `json:"ignore_public_acls"`
		C bool `json:"block_public_policy"`
		D bool `json:"restrict_public_buckets"`
	} `json:"public_access_block"`
	Policy struct {
		Statement []struct {
			Effect    string `json:"effect"`
			Condition struct {
				Secure *string `json:"secure_transport"`
			} `json:"condition"`
		} `json:"statement"`
	} `json:"policy"`
	Encrypted bool              `json:"storage_encrypted"`
	Backup    int64             `json:"backup_retention_period"`
	UserName  string            `json:"user_name"`
	Password  bool              `json:"password_enabled"`
	MFA       []json.RawMessage `json:"mfa_devices"`
	Keys      []struct {
		Status string `json:"status"`
		Create string `json:"create_date"`
	} `json:"access_keys"`
	Summary struct {
		MFA int64 `json:"account_mfa_enabled"`
	} `json:"summary"`
	PasswordPolicy struct {
		Min     int64 `json:"minimum_length"`
		Symbols bool  `json:"require_symbols"`
		Numbers bool  `json:"require_numbers"`
		Reuse   int64 `json:"reuse_prevention"`
	} `json:"password_policy"`
	GroupName   string `json:"group_name"`
	Permissions []struct {
		From   int64 `json:"from_port"`
		To     int64 `json:"to_port"`
		Ranges []struct {
			CIDR string `json:"cidr_ip"`
		} `json:"ip_ranges"`
	} `json:"ip_permissions"`
	Email     string  `json:"email"`
	Suspended bool    `json:"suspended"`
	Enrolled  bool    `json:"mfa_enrolled"`
	LastLogin string  `json:"last_login"`
	NotAfter  string  `json:"not_after"`
	Hostname  string  `json:"hostname"`
	Disk      enabled `json:"disk_encryption"`
	Lock      struct {
		Enabled bool  `json:"enabled"`
		Timeout int64 `json:"timeout_seconds"`
	} `json:"screen_lock"`
}

func floor(path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(out, 128<<10)
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 256<<10), 1<<20)
	for lines.Scan() {
		var x floorFact
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return err
		}
		x.judge(func(check, message string) { fmt.Fprintf(w, "%s\t%s\t%s\n", check, x.ID, message) })
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}

const quarter = 90 * 24 * time.Hour

func instant(s string) time.Time { t, _ := time.Parse(time.RFC3339, s); return t }

func (x *floorFact) judge(fail func(check, message string)) {
	must := func(check string, ok bool, message string) {
		if !ok {
			fail(check, message)
		}
	}
	d := &x.Data
	switch d.Type {
	case "github_repo":
		p := &d.Protection
		must("gh-reviews", p.Reviews != nil && p.Reviews.Count >= 1, "a merge needs no approving review")
		must("gh-dismiss-stale", p.Reviews != nil && p.Reviews.Dismiss, "a new push keeps old approvals")
		must("gh-status-checks", p.Status != nil && len(p.Status.Contexts) > 0, "a merge needs no status check")
		must("gh-admins", p.Admins.Enabled, "administrators may pass the protection")
		must("gh-force-push", !p.Force.Enabled, "the branch may be rewritten")
		must("gh-secret-scanning", d.Security.SecretScanning.Status == "enabled", "secret scanning is "+d.Security.SecretScanning.Status)
	case "s3_bucket":
		d.bucket(must)
	case "rds_instance":
		must("rds-encrypted", d.Encrypted, "the storage is not encrypted")
		must("rds-backup", d.Backup >= 7, "backups are kept "+strconv.FormatInt(d.Backup, 10)+" days")
	case "iam_user":
		must("iam-mfa", !d.Password || len(d.MFA) > 0, d.UserName+" signs in without a second factor")
		young := true
		for i := range d.Keys {
			young = young && (d.Keys[i].Status != "Active" || now.Sub(instant(d.Keys[i].Create)) < quarter)
		}
		must("iam-key-age", young, d.UserName+" has an active key older than 90 days")
	case "aws_account":
		p := &d.PasswordPolicy
		must("acct-root-mfa", d.Summary.MFA == 1, "root has no second factor")
		must("acct-password", p.Min >= 14 && p.Symbols && p.Numbers && p.Reuse >= 24, "the password policy is weak")
	case "security_group":
		open := false
		for i := range d.Permissions {
			if p := &d.Permissions[i]; p.From <= 22 && p.To >= 22 {
				for j := range p.Ranges {
					open = open || p.Ranges[j].CIDR == "0.0.0.0/0"
				}
			}
		}
		must("sg-no-ssh", !open, "anybody reaches port 22 of "+d.GroupName)
	case "idp_user":
		must("idp-mfa", d.Suspended || d.Enrolled, d.Email+" has no second factor")
		must("idp-inactive", d.Suspended || now.Sub(instant(d.LastLogin)) < quarter, d.Email+" has not signed in for 90 days")
	case "tls_cert":
		must("tls-expiry", instant(d.NotAfter).Sub(now) > 720*time.Hour, "the certificate ends "+d.NotAfter)
	case "device":
		must("dev-disk-lock", d.Disk.Enabled && d.Lock.Enabled && d.Lock.Timeout <= 900, d.Hostname+" is not encrypted or does not lock")
	}
}

func (d *floorData) bucket(must func(check string, ok bool, message string)) {
	ok := false
	for i := range d.Encryption.Rules {
		a := d.Encryption.Rules[i].Apply.Algorithm
		ok = ok || a == "AES256" || a == "aws:kms"
	}
	must("s3-encryption", ok, "the bucket is not encrypted")
	must("s3-public-block", d.Block.A && d.Block.B && d.Block.C && d.Block.D, "public access is not blocked")
	ok = false
	for i := range d.Policy.Statement {
		s := &d.Policy.Statement[i]
		ok = ok || (s.Effect == "Deny" && s.Condition.Secure != nil && *s.Condition.Secure == "false")
	}
	must("s3-tls-only", ok, "the bucket answers without TLS")
}
