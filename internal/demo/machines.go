package demo

import (
	"fmt"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// A server is a machine with what leans about it.
type server struct {
	name      string
	container bool
	os        string
	ends      time.Time // of its release's fixes
	behind    span      // security updates wait
	drifted   span      // its clock
	open      span      // its firewall
	plainDisk bool
	passwords bool
	rootLogin string
	blind     bool // the collector there runs without rights
}

// servers invents the machines and their local accounts.
func (w *world) servers() {
	names := []string{
		"web-1", "web-2", "web-3", "api-1", "api-2", "api-3", "db-1", "db-2", "queue-1", "search-1", "cache-1", "mail-1",
		"vpn-1", "bastion-1", "build-1", "build-2", "metrics-1", "logs-1", "backup-1", "legacy-1", "kiosk-1", "worker-a", "worker-b", "worker-c",
	}
	for i, n := range names {
		s := &server{
			name: n, container: i >= 21, os: "Debian GNU/Linux 13 (trixie)", ends: w.now.Add(1200 * day), rootLogin: "no",
			behind: w.trouble("servers", float64(13+i%9), float64(1+i%4)),
		}
		switch i {
		case 19: // its release ran out within the quarter
			s.os, s.ends, s.plainDisk, s.rootLogin = "Ubuntu 22.04 LTS", w.ago(20*day), true, "prohibit-password"
			s.behind = w.trouble("servers", 20, 0)
		case 14:
			s.os, s.ends = "Ubuntu 24.04 LTS", w.now.Add(5*day) // runs out next week
		case 20:
			s.passwords, s.plainDisk = true, true
		case 10:
			s.drifted = w.trouble("servers", 30, 4)
		case 15:
			s.open = w.trouble("servers", 1.5, 0)
		case 17:
			s.blind = true
		}
		w.host(i, s)
		w.locals(i, s)
	}
}

func (w *world) host(i int, s *server) {
	owner := w.staff[i%14].id
	booted := w.when(80, 20)
	listeners := []fact.Listener{
		{Protocol: "tcp", Address: "0.0.0.0", Port: 22, Process: "sshd", Public: true},
		{Protocol: "tcp", Address: "127.0.0.1", Port: 9100, Process: "node_exporter"},
	}
	w.vary("servers", "servers", "servers/"+s.name, func(at time.Time) fact.Data {
		f := fact.Host{
			Name: some(s.name), OS: some(s.os), Kernel: some("6.12.41"), Supported: some(at.Before(s.ends)), SupportEndsAt: some(s.ends),
			Container: some(s.container), SSHD: some(!s.container), RootAccounts: some([]string{"root"}), EmptyPasswords: some([]string{}),
			SudoNoPassword: some([]string{}), SecurityUpdates: some[int64](0), UpdatesCheckedAt: some(at.Add(-5 * time.Hour).Truncate(2 * day)),
			Owner: some(owner), NotSeen: some([]string{}), Listeners: some(listeners),
		}
		if s.behind.holds(at) {
			f.SecurityUpdates = some(int64(1 + i%5))
		}
		if s.container {
			return f
		}
		f.DiskEncrypted, f.UnencryptedMounts = some(!s.plainDisk), some([]string{})
		if s.plainDisk {
			f.UnencryptedMounts = some([]string{"/", "/srv"})
		}
		f.Firewall, f.TimeSynchronised = some(!s.open.holds(at)), some(!s.drifted.holds(at))
		f.SSHPasswordLogin, f.SSHRootLogin, f.SSHEmptyPasswords = some(s.passwords), some(s.rootLogin), some(false)
		f.SSHMaxAuthTries, f.SSHWeakAlgorithms = some[int64](3), some([]string{})
		f.RebootNeeded, f.AutomaticUpdates, f.Logging, f.LogsForwarded = some(i == 8), some(i != 19 && i != 11), some(true), some(i != 20)
		f.AuditDaemon, f.BootedAt = some(i%3 != 2), some(booted)
		if i == 18 {
			f.SudoNoPassword = some([]string{"backup"})
		}
		if s.passwords {
			f.SSHWeakAlgorithms = some([]string{"aes128-cbc", "hmac-sha1"})
		}
		if s.blind {
			f.DiskEncrypted, f.UnencryptedMounts, f.Firewall = fact.Opt[bool]{}, fact.Opt[[]string]{}, fact.Opt[bool]{}
			f.EmptyPasswords, f.SSHWeakAlgorithms = fact.Opt[[]string]{}, fact.Opt[[]string]{}
			f.NotSeen = some([]string{"empty_passwords", "firewall", "ssh_weak_algorithms"})
			f.NotSeenCommand = some("echo 'prumo ALL=(root) NOPASSWD: /usr/sbin/nft -j list ruleset' | sudo EDITOR='tee' visudo -f /etc/sudoers.d/prumo")
		}
		return f
	})
}

// locals are a machine's own accounts.
func (w *world) locals(i int, s *server) {
	machine := fact.Ref("servers/" + s.name)
	w.add("servers", "accounts", "servers/"+s.name+"/root", fact.Account{
		Login: some("root"), System: some("linux"), Type: some("shared"), Active: some(true), Interactive: some(true), Admin: some(true),
		UID: some[int64](0), PasswordEmpty: some(false), Locked: some(true), Host: some(machine),
	})
	if s.container {
		return
	}
	for j, p := range []*worker{w.staff[i%14], w.staff[(i+5)%14]} {
		closes := p.ended
		w.vary("servers", "accounts", "servers/"+s.name+"/"+p.login, func(at time.Time) fact.Data {
			return fact.Account{
				Login: some(p.login), Name: some(p.name), System: some("linux"), Type: some("human"), Active: some(closes.IsZero() || at.Before(closes)),
				Interactive: some(true), Admin: some(true), UID: some(int64(1000 + j)), PasswordEmpty: some(false), PasswordHash: some("yescrypt"),
				Person: some(p.id), Host: some(machine), LastSignIn: some(signIn(p, at, 30*time.Hour)), NeverSignedIn: some(false),
			}
		})
	}
	w.add("servers", "accounts", "servers/"+s.name+"/backup", fact.Account{
		Login: some("backup"), System: some("linux"), Type: some("service"), Active: some(false), Interactive: some(false), Admin: some(false),
		UID: some[int64](34), PasswordEmpty: some(false), Host: some(machine),
	})
}

// laptops gives everybody a computer; a few fall behind.
func (w *world) laptops() {
	systems := []string{"macOS 26.1", "macOS 26.1", "Windows 11 25H2", "Ubuntu 24.04 LTS", "macOS 13.7"}
	for i, p := range w.staff {
		os := systems[(i*7+i/3)%len(systems)]
		dark := i%43 == 9
		sealed := span{} // since when the disk of one that came open is encrypted
		if i%31 == 4 {
			sealed = w.trouble("laptops", float64(i%60), 0)
		}
		seen := time.Duration(1+i%40) * time.Hour
		t := w.vary("laptops", "devices", fmt.Sprintf("laptops/QW-%04d", 2000+i), func(at time.Time) fact.Data {
			return fact.Device{
				Name: some(fmt.Sprintf("qw-%04d", 2000+i)), Serial: some(fmt.Sprintf("QW%06d", 310000+i*37)), Active: some(p.here(at)), OS: some(os),
				OSSupported: some(os != "macOS 13.7"), DiskEncrypted: unless(dark, i%31 != 4 || sealed.holds(at)), ScreenLock: some(true),
				ScreenLockSecs: some(int64(300 + 300*(i%3))), Malware: some(i%19 != 6), Firewall: unless(dark, i%23 != 8), AutomaticUpdates: some(i%13 != 2),
				PasswordManager: some(i%11 != 3), RemoteLogin: some(i%37 == 1), Managed: some(!dark), LastSeen: some(at.Truncate(4 * day).Add(-seen)),
				Owner: some(p.id),
			}
		})
		if p.started.After(w.start) {
			t.born = p.started
		}
	}
}
