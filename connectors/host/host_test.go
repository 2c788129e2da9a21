package host

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func TestGoodMachine(t *testing.T) {
	h, accounts, mem := newMachine(t, nil).read(nil)
	for _, s := range mem.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s: got %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
	for name, o := range map[string]fact.Opt[bool]{
		"supported": h.Supported, "disk_encrypted": h.DiskEncrypted, "firewall": h.Firewall, "sshd": h.SSHD, "automatic_updates": h.AutomaticUpdates,
		"time_synchronised": h.TimeSynchronised, "logging": h.Logging, "audit_daemon": h.AuditDaemon,
	} {
		want(t, name, o, true)
	}
	for name, o := range map[string]fact.Opt[bool]{
		"container": h.Container, "ssh_password_login": h.SSHPasswordLogin, "ssh_empty_passwords": h.SSHEmptyPasswords, "reboot_needed": h.RebootNeeded,
	} {
		want(t, name, o, false)
	}
	unknown(t, "logs_forwarded", h.LogsForwarded)
	want(t, "ssh_root_login", h.SSHRootLogin, "prohibit-password")
	want(t, "ssh_max_auth_tries", h.SSHMaxAuthTries, 4)
	want(t, "security_updates", h.SecurityUpdates, 1)
	wantList(t, "ssh_weak_algorithms", h.SSHWeakAlgorithms)
	wantList(t, "unencrypted_mounts", h.UnencryptedMounts)
	wantList(t, "root_accounts", h.RootAccounts, "root")
	wantList(t, "empty_passwords", h.EmptyPasswords)
	wantList(t, "sudo_no_password", h.SudoNoPassword)
	wantList(t, "not_seen", h.NotSeen)
	if d := cmp.Diff(h.Listeners.Or(nil), []fact.Listener{
		{Protocol: "tcp", Address: "0.0.0.0", Port: 22, Process: "rsyslogd", Public: true}, {Protocol: "udp", Address: "0.0.0.0", Port: 68, Public: true},
		{Protocol: "tcp", Address: "127.0.0.1", Port: 3306},
	}); d != "" {
		t.Error(d)
	}
	ana := accounts["ana"]
	want(t, "name", ana.Name, "Ana Lima")
	want(t, "type", ana.Type, "human")
	want(t, "admin", ana.Admin, true)
	want(t, "active", ana.Active, true)
	want(t, "password_hash", ana.PasswordHash, "yescrypt")
	want(t, "password_empty", ana.PasswordEmpty, false)
	want(t, "interactive", accounts["daemon"].Interactive, false)
	want(t, "admin", accounts["daemon"].Admin, false)
}

func TestBadMachine(t *testing.T) {
	m := newMachine(t, map[string]string{
		"/proc/self/mountinfo":         "1 0 252:0 / / rw - ext4 /dev/mapper/root rw\n2 1 8:17 / /srv/a\\040b rw - ext4 /dev/sdb1 rw\n",
		"/etc/passwd":                  "root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/:/bin/sh\neve::1001:1001::/:/bin/bash\nbob:x:1002:1002::/:/bin/bash\n",
		"/etc/shadow":                  "root:$1$a$b:1::::::\ntoor::1::::::\nbob:!$6$a$b:1:::::100:\nbob:x:1\n",
		"/etc/sudoers":                 "User_Alias OPS = ann, \\\n  %ops\nOPS ALL = (ALL) NOPASSWD: ALL\nbackup ALL=(root) NOPASSWD: /usr/bin/rsync\nzoe ALL=(ALL) PASSWD: ALL\n#include /etc/sudoers.extra\n",
		"/etc/sudoers.extra":           "yan h1 = /bin/ls : ALL = NOPASSWD: SETENV: ALL\n",
		"/etc/os-release":              "ID=debian\nVERSION_ID=11\n",
		"/boot/vmlinuz-6.1.0-20-amd64": "", "/proc/7/comm": "cron\n", "/proc/8/comm": "bash\n",
	})
	m.inStep = false
	m.answers["sshd -T"] = "passwordauthentication yes\npermitrootlogin yes\npermitemptypasswords yes\nciphers aes128-ctr,3des-cbc\nmacs hmac-md5\nkexalgorithms diffie-hellman-group1-sha1\n"
	m.answers["nft -j list ruleset"] = `{"nftables":[{"chain":{"family":"ip","table":"f","name":"i","hook":"input","policy":"accept"}},{"rule":{"family":"ip","table":"f","chain":"i","expr":[{"match":{}},{"drop":null}]}}]}`
	m.answers["iptables-save"], m.answers["ip6tables-save"] = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "*filter\n:INPUT ACCEPT [0:0]\n"
	m.answers["apt-config dump"] = "APT::Periodic::Unattended-Upgrade \"0\";\n"
	h, accounts, _ := m.read(nil)
	for name, o := range map[string]fact.Opt[bool]{
		"supported": h.Supported, "disk_encrypted": h.DiskEncrypted, "firewall": h.Firewall, "automatic_updates": h.AutomaticUpdates,
		"time_synchronised": h.TimeSynchronised, "logging": h.Logging, "logs_forwarded": h.LogsForwarded, "audit_daemon": h.AuditDaemon,
	} {
		want(t, name, o, false)
	}
	want(t, "ssh_password_login", h.SSHPasswordLogin, true)
	want(t, "ssh_empty_passwords", h.SSHEmptyPasswords, true)
	want(t, "ssh_root_login", h.SSHRootLogin, "yes")
	want(t, "reboot_needed", h.RebootNeeded, true)
	wantList(t, "unencrypted_mounts", h.UnencryptedMounts, "/srv/a b")
	wantList(t, "root_accounts", h.RootAccounts, "root", "toor")
	wantList(t, "empty_passwords", h.EmptyPasswords, "toor", "eve")
	wantList(t, "sudo_no_password", h.SudoNoPassword, "%ops", "ann", "yan")
	wantList(t, "ssh_weak_algorithms", h.SSHWeakAlgorithms, "3des-cbc", "diffie-hellman-group1-sha1", "hmac-md5")
	want(t, "bob is locked", accounts["bob"].Locked, true)
	want(t, "bob is expired", accounts["bob"].Active, false)
	want(t, "root's hash", accounts["root"].PasswordHash, "md5")
	want(t, "eve is open", accounts["eve"].PasswordEmpty, true)
}

// What the account may not read is unknown and named once, with the command.
func TestPoorAccount(t *testing.T) {
	m := newMachine(t, map[string]string{"/etc/ssh/sshd_config": "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"})
	m.account = "prumo"
	for _, c := range []string{"sshd -T", "nft", "iptables-save", "ip6tables-save"} {
		m.fails[c] = errDenied
	}
	c := m.connector()
	c.sys.deny = []string{"/etc/shadow", "/etc/sudoers", "/etc/sudoers.d"} // root, which may run this, can read everything
	collect := func(s connector.Settings) (fact.Host, *connector.Memory) {
		mem := connector.Record()
		if err := c.Collect(t.Context(), connector.Run{Settings: s, Now: now, Log: slog.New(slog.DiscardHandler)}, mem); err != nil {
			t.Fatal(err)
		}
		k, _ := fact.KindNamed("host")
		d, err := fact.Decode(k, mem.Facts()[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		return d.(fact.Host), mem
	}
	h, mem := collect(nil)
	unknown(t, "empty_passwords", h.EmptyPasswords)
	unknown(t, "firewall", h.Firewall)
	unknown(t, "sudo_no_password", h.SudoNoPassword)
	unknown(t, "ssh_weak_algorithms", h.SSHWeakAlgorithms)
	want(t, "ssh_password_login", h.SSHPasswordLogin, false)
	wantList(t, "not_seen", h.NotSeen, "empty_passwords", "firewall", "ssh_weak_algorithms", "sudo_no_password")
	for _, part := range []string{"prumo ALL=(root) NOPASSWD: ", "/usr/bin/cat /etc/shadow", "/usr/bin/grep -r . /etc/sudoers.d", "/usr/sbin/nft -j list ruleset", "/usr/sbin/sshd -T", "visudo"} {
		if !strings.Contains(h.NotSeenCommand.Or(""), part) {
			t.Errorf("not_seen_command %q lacks %q", h.NotSeenCommand.Or(""), part)
		}
	}
	if s := mem.Scopes()[0]; s.Reading != fact.Complete || s.Detail.Forbidden != 4 {
		t.Errorf("scope: got %s, %d forbidden; want complete with 4", s.Reading, s.Detail.Forbidden)
	}
	for i, f := range mem.Facts() {
		if i > 0 && strings.Contains(string(f.Data), "password_empty") {
			t.Errorf("%s says whether its password is empty", f.ID)
		}
	}

	m.answers["sudo -n /usr/bin/cat /etc/shadow"] = "root:*:1::::::\ndaemon:*:1::::::\nana::1::::::\n"
	m.answers["sudo -n /usr/bin/cat /etc/sudoers"] = "root ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n"
	m.answers["sudo -n /usr/bin/grep -r . /etc/sudoers.d"] = "/etc/sudoers.d/x:ana ALL=(ALL) NOPASSWD: \\\n/etc/sudoers.d/x: ALL\n/etc/sudoers.d/old.bak:eve ALL=(ALL) NOPASSWD: ALL\n"
	m.answers["sudo -n /usr/sbin/nft -j list ruleset"] = m.answers["nft -j list ruleset"]
	m.answers["sudo -n /usr/sbin/sshd -T"] = m.answers["sshd -T"]
	h, _ = collect(connector.Settings{"sudo": true})
	wantList(t, "empty_passwords with sudo", h.EmptyPasswords, "ana")
	want(t, "firewall with sudo", h.Firewall, true)
	wantList(t, "ssh_weak_algorithms with sudo", h.SSHWeakAlgorithms)
	wantList(t, "sudo_no_password with sudo", h.SudoNoPassword, "ana")
	wantList(t, "not_seen with sudo", h.NotSeen)
}

func TestContainer(t *testing.T) {
	m := newMachine(t, map[string]string{"/proc/self/mountinfo": "1 0 0:50 / / rw - overlay overlay rw\n", "/.dockerenv": "", "/proc/7/comm": "x\n", "/proc/8/comm": "y\n"})
	m.remove("/run/systemd", "/usr/sbin/sshd")
	h, _, mem := m.read(nil)
	want(t, "container", h.Container, true)
	want(t, "sshd", h.SSHD, false)
	unknown(t, "disk_encrypted", h.DiskEncrypted)
	unknown(t, "firewall", h.Firewall)
	unknown(t, "time_synchronised", h.TimeSynchronised)
	unknown(t, "logging", h.Logging)
	unknown(t, "audit_daemon", h.AuditDaemon)
	unknown(t, "automatic_updates", h.AutomaticUpdates)
	if mem.Scopes()[0].Reading != fact.Complete {
		t.Errorf("scope: got %s", mem.Scopes()[0].Reading)
	}
}

func TestVirtualMachine(t *testing.T) {
	m := newMachine(t, map[string]string{
		"/proc/cpuinfo": "flags\t: fpu hypervisor vme\n", "/.dockerenv": "",
		"/proc/self/mountinfo": "1 0 8:17 / / rw - ext4 /dev/sdb1 rw\n",
	})
	h, _, _ := m.read(nil)
	want(t, "container", h.Container, false)
	unknown(t, "disk_encrypted", h.DiskEncrypted)
	unknown(t, "unencrypted_mounts", h.UnencryptedMounts)
}

func TestDisks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		files  map[string]string
		links  map[string]string
		mounts string
		want   fact.Opt[bool]
	}{
		{"LVM on LUKS", map[string]string{"/sys/class/block/dm-1/slaves/dm-0/x": "", "/sys/class/block/dm-1/dm/uuid": "LVM-x"}, map[string]string{"/sys/dev/block/252:1": "../../class/block/dm-1"}, "1 0 252:1 / / rw - xfs /dev/mapper/vg rw\n", fact.Some(true)},
		{"RAID half open", map[string]string{"/sys/class/block/md0/slaves/dm-0/x": "", "/sys/class/block/md0/slaves/sdb1/x": ""}, map[string]string{"/sys/dev/block/9:0": "../../class/block/md0"}, "1 0 9:0 / / rw - ext4 /dev/md0 rw\n", fact.Some(false)},
		{"btrfs by its source", nil, map[string]string{"/dev/mapper/root": "../dm-0"}, "1 0 0:30 /@ / rw - btrfs /dev/mapper/root rw\n", fact.Some(true)},
		{"zfs", nil, nil, "1 0 0:30 / / rw - zfs pool/root rw\n", fact.Opt[bool]{}},
		{"network", nil, nil, "1 0 0:30 / / rw - nfs4 server:/x rw\n", fact.Opt[bool]{}},
		{"open swap", map[string]string{"/proc/swaps": "Filename\n/dev/sdb1 partition 1 0 -2\n"}, nil, "1 0 252:0 / / rw - ext4 /dev/dm-0 rw\n", fact.Some(false)},
		{"swap in memory", map[string]string{"/proc/swaps": "Filename\n/dev/zram0 partition 1 0 -2\n"}, nil, "1 0 252:0 / / rw - ext4 /dev/dm-0 rw\n", fact.Some(true)},
		{"nothing to see", nil, nil, "", fact.Opt[bool]{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t, map[string]string{"/proc/self/mountinfo": tc.mounts})
			m.write(tc.files)
			for name, to := range tc.links {
				m.link(name, to)
			}
			h, _, _ := m.read(nil)
			if h.DiskEncrypted != tc.want {
				t.Errorf("got %v, want %v", h.DiskEncrypted, tc.want)
			}
		})
	}
}

// Without root the SSH server's files are read, as OpenSSH reads them.
func TestSSHFiles(t *testing.T) {
	for _, tc := range []struct {
		name     string
		files    map[string]string
		password fact.Opt[bool]
		root     string
	}{
		{"defaults", map[string]string{"sshd_config": "# nothing\n"}, fact.Some(true), "prohibit-password"},
		{"first value stands", map[string]string{"sshd_config": "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPasswordAuthentication yes\n"}, fact.Some(false), "prohibit-password"},
		{"include first", map[string]string{"sshd_config": "Include sshd_config.d/*.conf\nPasswordAuthentication yes\n", "sshd_config.d/a.conf": "PasswordAuthentication=no\nKbdInteractiveAuthentication \"no\" # x\nPermitRootLogin No\n"}, fact.Some(false), "no"},
		{"match opens", map[string]string{"sshd_config": "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\nMatch User ftp\n  PasswordAuthentication yes\n  PermitRootLogin without-password\n"}, fact.Some(true), "prohibit-password"},
		{"match all ends a match", map[string]string{"sshd_config": "PermitRootLogin no\nMatch User x\nX11Forwarding no\nMatch all\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"}, fact.Some(false), "no"},
		{"key and password", map[string]string{"sshd_config": "AuthenticationMethods publickey,password\n"}, fact.Some(false), "prohibit-password"},
		{"key or password", map[string]string{"sshd_config": "AuthenticationMethods publickey password\n"}, fact.Some(true), "prohibit-password"},
		{"PAM with a password", map[string]string{"sshd_config": "PasswordAuthentication no\nUsePAM yes\n", "../pam.d/sshd": "@include common-auth\n", "../pam.d/common-auth": "auth [success=1] pam_unix.so\n"}, fact.Some(true), "prohibit-password"},
		{"PAM with a code", map[string]string{"sshd_config": "PasswordAuthentication no\nUsePAM yes\n", "../pam.d/sshd": "auth required pam_google_authenticator.so\n"}, fact.Some(false), "prohibit-password"},
		{"PAM out of sight", map[string]string{"sshd_config": "PasswordAuthentication no\nUsePAM yes\n"}, fact.Opt[bool]{}, "prohibit-password"},
		{"circle", map[string]string{"sshd_config": "Include sshd_config\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"}, fact.Some(false), "prohibit-password"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.fails["sshd -T"] = errDenied
			for name, content := range tc.files {
				m.write(map[string]string{filepath.Join("/etc/ssh", name): content})
			}
			h, _, _ := m.read(nil)
			if h.SSHPasswordLogin != tc.password {
				t.Errorf("password: got %v, want %v", h.SSHPasswordLogin, tc.password)
			}
			want(t, "root", h.SSHRootLogin, tc.root)
		})
	}
}

func TestUpdatesUnknown(t *testing.T) {
	m := newMachine(t, nil)
	m.remove("/var/lib/apt/lists/mirror_debian-security_dists_bookworm-security_InRelease")
	h, _, _ := m.read(nil)
	unknown(t, "security_updates without lists", h.SecurityUpdates)
	m = newMachine(t, nil)
	m.fails["apt-get"] = errors.New("broken")
	h, _, mem := m.read(nil)
	unknown(t, "security_updates after an error", h.SecurityUpdates)
	if mem.Scopes()[0].Reading != fact.Complete {
		t.Errorf("scope: got %s", mem.Scopes()[0].Reading)
	}
	m = newMachine(t, nil)
	m.fails["apt-get"] = context.DeadlineExceeded
	h, _, mem = m.read(nil)
	unknown(t, "security_updates after a timeout", h.SecurityUpdates)
	if s := mem.Scopes()[0]; s.Reading != fact.Partial || !strings.Contains(s.Detail.Why, "security_updates") {
		t.Errorf("scope: got %s (%s), want partial", s.Reading, s.Detail.Why)
	}
}

func TestFirewall(t *testing.T) {
	const v6 = "fe800000 02 40 20 80 eth0\n"
	refuses, open := "*filter\n:INPUT DROP [0:0]\n", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\n"
	for _, tc := range []struct {
		name, nft, v4, v6, ipv6 string
		want                    bool
	}{
		{"inet by its last rule", `{"nftables":[{"chain":{"family":"inet","table":"f","name":"i","hook":"input","policy":"accept"}},{"rule":{"family":"inet","table":"f","chain":"i","expr":[{"counter":{}},{"reject":{}}]}}]}`, open, open, v6, true},
		{"only IPv4, and there is IPv6", `{"nftables":[]}`, refuses, open, v6, false},
		{"only IPv4, and there is no other", `{"nftables":[]}`, refuses, open, "", true},
		{"both by iptables", `{"nftables":[]}`, refuses, "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j REJECT --reject-with icmp6\n", v6, true},
		{"output only", `{"nftables":[{"chain":{"family":"inet","table":"f","name":"o","hook":"output","policy":"drop"}}]}`, open, open, v6, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t, map[string]string{"/proc/net/if_inet6": tc.ipv6, "/proc/net/tcp6": "", "/proc/net/udp6": ""})
			m.answers["nft -j list ruleset"], m.answers["iptables-save"], m.answers["ip6tables-save"] = tc.nft, tc.v4, tc.v6
			h, _, _ := m.read(nil)
			want(t, "firewall", h.Firewall, tc.want)
		})
	}
	m := newMachine(t, nil)
	m.remove("/usr/sbin/nft", "/usr/sbin/iptables-save", "/usr/sbin/ip6tables-save")
	h, _, _ := m.read(nil)
	unknown(t, "without a program to ask", h.Firewall)
}

func TestSupport(t *testing.T) {
	for _, tc := range []struct {
		release, pro string
		want         fact.Opt[bool]
	}{
		{"ID=debian\nVERSION_ID=10", "", fact.Some(false)},
		{"ID=rocky\nVERSION_ID=\"9.4\"", "", fact.Some(true)},
		{"ID=alpine\nVERSION_ID=3.22.1", "", fact.Some(true)},
		{"ID=fedora\nVERSION_ID=99\nSUPPORT_END=2026-11-22", "", fact.Some(false)},
		{"ID=fedora\nVERSION_ID=99\nSUPPORT_END=2026-11-23", "", fact.Some(true)},
		{"ID=arch", "", fact.Opt[bool]{}},
		{"ID=debian\nPRETTY_NAME=\"Debian sid\"", "", fact.Opt[bool]{}},
		{"ID=ubuntu\nVERSION_ID=\"20.04\"", "", fact.Some(false)},
		{"ID=ubuntu\nVERSION_ID=\"20.04\"", `{"attached":true,"services":[{"name":"esm-infra","status":"enabled"}]}`, fact.Some(true)},
	} {
		m := newMachine(t, map[string]string{
			"/etc/os-release": tc.release, "/var/lib/ubuntu-advantage/status.json": tc.pro,
			"/usr/share/distro-info/ubuntu.csv": "version,codename,series,created,release,eol,eol-server,eol-esm\n20.04 LTS,Focal,focal,2019-10-17,2020-04-23,2025-05-29,2025-05-29,2030-04-23\n",
		})
		h, _, _ := m.read(nil)
		if h.Supported != tc.want {
			t.Errorf("%q: got %v, want %v", tc.release, h.Supported, tc.want)
		}
	}
}

func TestReleaseTable(t *testing.T) {
	for i, line := range strings.Split(strings.TrimSpace(releases), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		c := strings.Split(line, ",")
		if len(c) != 3 {
			t.Errorf("line %d: got %q", i+1, line)
			continue
		}
		if _, ok := releaseEnd(releases, c[0], c[1]); !ok {
			t.Errorf("line %d: %q has no date", i+1, line)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mem := connector.Record()
	err := newMachine(t, nil).connector().Collect(ctx, connector.Run{Now: now, Log: slog.New(slog.DiscardHandler)}, mem)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, s := range mem.Scopes() {
		if s.Reading == fact.Complete {
			t.Errorf("scope %s: got complete", s.Scope.Name)
		}
	}
}

// Programs run with a limit, without our environment, and end with their children.
func TestExecute(t *testing.T) {
	t.Setenv("PRUMO_SECRET", "x")
	out, err := execute(t.Context(), []string{"/usr/bin/env"})
	if err != nil || strings.Contains(string(out), "PRUMO_SECRET") {
		t.Errorf("got %q, %v", out, err)
	}
	s := thisMachine()
	start := time.Now()
	if _, err := s.run(t.Context(), 200*time.Millisecond, "sleep", "30"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("a program with a limit of 0.2 s ran for %s", d)
	}
	if _, err := s.run(t.Context(), time.Second, "yes"); err == nil {
		t.Error("an endless answer was taken")
	}
	if _, err := s.run(t.Context(), time.Second, "no-such-program"); !errors.Is(err, errAbsent) {
		t.Errorf("got %v, want absent", err)
	}
	if _, err := s.read("/dev/zero"); err == nil {
		t.Error("an endless file was read")
	}
}

func FuzzSSHD(f *testing.F) {
	f.Add("PasswordAuthentication no\nMatch User x\nInclude *.conf\nPermitRootLogin=yes # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := sshdParser{into: sshdSettings{}, read: func(string) ([]byte, error) { return []byte(text), nil }, glob: func(string) []string { return nil }}
		global := p.into
		if err := p.file("x", 0); err != nil {
			t.Fatal(err)
		}
		if v := mostOpenRoot(global, p.matches); !slices.Contains([]string{"yes", "no", "prohibit-password", "forced-commands-only"}, v) {
			t.Errorf("%q: root login %q", text, v)
		}
		_ = weakAlgorithms(parseSSHDump(text), true)
		_ = passwordAlone(text)
	})
}

func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0::/:/bin/sh\n", "root::1:2:3:4:5:6:\n", "sudo:x:27:root\n", "%sudo ALL=(ALL) NOPASSWD: ALL\n")
	f.Fuzz(func(t *testing.T, passwd, shadow, group, sudo string) {
		list := parsePasswd(passwd)
		addShadow(list, shadow)
		addGroups(list, group)
		g := grants{known: true, all: map[string]bool{}, noPassword: map[string]bool{}, aliases: map[string][]string{}}
		g.parse(strings.Split(sudo, "\n"))
		seen := map[string]bool{}
		for i := range list {
			if seen[list[i].name] {
				t.Errorf("%q appears twice", list[i].name)
			}
			seen[list[i].name] = true
			_ = g.admin(&list[i])
			_ = hashName(list[i].password.Or(""))
		}
	})
}

func FuzzTables(f *testing.F) {
	f.Add("1 0 8:1 / /a\\040b rw - ext4 /dev/sda1 rw\n", "0: 0100007F:0016 00000000:0000 0A 0:0 00:0 0 0 0 1 1\n", `{"nftables":[]}`, "Inst a [1] (2 Debian-Security:12/x [y])\n")
	f.Fuzz(func(_ *testing.T, mounts, sockets, nft, apt string) {
		_ = parseMounts(mounts)
		_ = swaps(mounts)
		_ = parseSockets(sockets, "0A")
		_, _ = nftRefuses([]byte(nft))
		_ = iptablesRefuses(nft)
		_ = aptSecurity(apt)
		_ = dnfSecurity(apt)
		_ = aptConfig(apt)
		_ = parseOSRelease(apt)
		_, _ = distroInfo(apt, "1", "eol")
		_ = rsyslogForwards(apt)
		_ = compareVersions(mounts, apt)
	})
}
