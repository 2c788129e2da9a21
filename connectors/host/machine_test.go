package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A machine is a root folder with answers in the place of programs.
type machine struct {
	t       *testing.T
	root    string
	answers map[string]string // command line without folder → answer
	fails   map[string]error  // command line → how it ends
	account string
	kernel  string
	inStep  bool
}

func newMachine(t *testing.T, files map[string]string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), answers: map[string]string{}, fails: map[string]error{}, account: "root", kernel: "6.1.0-18-amd64", inStep: true}
	m.write(map[string]string{
		"/proc/1/comm": "systemd\n", "/proc/7/comm": "rsyslogd\n", "/proc/8/comm": "auditd\n", "/run/systemd/system/x": "",
		"/proc/stat": "cpu 1\nbtime 1767225600\n", "/proc/cpuinfo": "flags\t: fpu vme\n",
		"/proc/self/mountinfo": "1 0 252:0 / / rw - ext4 /dev/mapper/root rw\n2 1 8:1 / /boot rw - ext4 /dev/sda1 rw\n",
		"/proc/swaps":          "Filename Type Size Used Priority\n",
		"/etc/os-release":      "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"/etc/passwd":          "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nana:x:1000:1000:Ana Lima,,,:/home/ana:/bin/bash\n",
		"/etc/shadow":          "root:*:19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\nana:$y$j9T$abc$def:19700:0:99999:7:::\n",
		"/etc/group":           "root:x:0:\nsudo:x:27:ana\nana:x:1000:\n",
		"/etc/shells":          "# shells\n/bin/bash\n",
		"/etc/sudoers":         "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
		"/etc/sudoers.d/x":     "# nothing\n",
		"/proc/net/tcp":        "  sl\n   0: 0100007F:0CEA 00000000:0000 0A 0:0 00:0 0 0 0 11 1\n   1: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 12 1\n   2: 0100007F:1234 0100007F:5678 01 0:0 00:0 0 0 0 13 1\n",
		"/proc/net/udp":        "  sl\n   0: 00000000:0044 00000000:0000 07 0:0 00:0 0 0 0 14 2\n   1: 00000000:C001 00000000:0000 07 0:0 00:0 0 0 0 15 2\n",
		"/proc/7/fd/x":         "", "/boot/vmlinuz-6.1.0-18-amd64": "", "/boot/vmlinuz-6.1.0-9-amd64": "",
		"/var/lib/apt/lists/mirror_debian-security_dists_bookworm-security_InRelease": "x",
		"/etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer":             "",
		"/sys/class/block/dm-0/dm/uuid":                                               "CRYPT-LUKS2-0-root\n", "/sys/class/block/sda1/partition": "1\n", "/sys/class/block/sdb1/partition": "1\n",
	})
	for _, p := range []string{"/usr/sbin/sshd", "/usr/sbin/nft", "/usr/sbin/iptables-save", "/usr/sbin/ip6tables-save", "/usr/bin/apt-get", "/usr/bin/apt-config", "/usr/bin/unattended-upgrade", "/usr/bin/sudo", "/usr/bin/cat"} {
		m.write(map[string]string{p: "#!"})
		if err := os.Chmod(filepath.Join(m.root, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.link("/sys/dev/block/252:0", "../../class/block/dm-0")
	m.link("/sys/dev/block/8:1", "../../class/block/sda1")
	m.link("/sys/dev/block/8:17", "../../class/block/sdb1")
	m.link("/proc/7/fd/3", "socket:[12]")
	m.answers["sshd -T"] = "port 22\npasswordauthentication no\nkbdinteractiveauthentication no\npermitrootlogin without-password\npermitemptypasswords no\nmaxauthtries 4\nciphers aes256-gcm@openssh.com\nmacs hmac-sha2-256-etm@openssh.com,hmac-sha1\nkexalgorithms curve25519-sha256\n"
	m.answers["nft -j list ruleset"] = `{"nftables":[{"metainfo":{}},{"chain":{"family":"inet","table":"filter","name":"input","hook":"input","policy":"drop"}}]}`
	m.answers["apt-get"] = "Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian-Security:12/stable-security [amd64])\nInst bash [5.2] (5.2b Debian:12.15/stable [amd64])\nInst linux-image-new (6.1 Debian-Security:12/stable-security [amd64])\n"
	m.answers["apt-config dump"] = "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n"
	m.write(files)
	return m
}

func (m *machine) write(files map[string]string) {
	m.t.Helper()
	for name, content := range files {
		p := filepath.Join(m.root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) remove(names ...string) {
	for _, n := range names {
		if err := os.RemoveAll(filepath.Join(m.root, n)); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) link(name, to string) {
	m.t.Helper()
	p := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(to, p); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) exec(_ context.Context, argv []string) ([]byte, error) {
	if !filepath.IsAbs(argv[0]) {
		m.t.Errorf("%v is not an absolute path", argv)
	}
	line := strings.Join(append([]string{filepath.Base(argv[0])}, argv[1:]...), " ")
	keys := []string{line, filepath.Base(argv[0])}
	for _, key := range keys {
		if err, ok := m.fails[key]; ok {
			return nil, err
		}
	}
	for _, key := range keys {
		if out, ok := m.answers[key]; ok {
			return []byte(out), nil
		}
	}
	return nil, errors.New("no answer for " + line)
}

func (m *machine) connector() host {
	return host{sys: system{
		root: m.root, exec: m.exec, hostname: func() (string, error) { return "web1", nil }, account: func() string { return m.account },
		kernel: func() string { return m.kernel }, inStep: func() (bool, bool) { return m.inStep, true },
	}}
}

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func (m *machine) read(s connector.Settings) (fact.Host, map[string]fact.Account, *connector.Memory) {
	m.t.Helper()
	mem := connector.Record()
	run := connector.Run{Source: "host", Settings: s, Now: now, Log: slog.New(slog.DiscardHandler)}
	if err := m.connector().Collect(m.t.Context(), run, mem); err != nil {
		m.t.Fatal(err)
	}
	var h fact.Host
	accounts := map[string]fact.Account{}
	for _, f := range mem.Facts() {
		k, _ := fact.KindNamed(f.Kind)
		d, err := fact.Decode(k, f.Data)
		if err != nil {
			m.t.Fatal(err)
		}
		switch d := d.(type) {
		case fact.Host:
			h = d
		case fact.Account:
			accounts[d.Login.Or("")] = d
		}
	}
	return h, accounts, mem
}

func want[T comparable](t *testing.T, field string, got fact.Opt[T], v T) {
	t.Helper()
	if g, ok := got.Get(); !ok || g != v {
		t.Errorf("%s: got %v (known: %t), want %v", field, g, ok, v)
	}
}

func unknown[T any](t *testing.T, field string, got fact.Opt[T]) {
	t.Helper()
	if v, ok := got.Get(); ok {
		t.Errorf("%s: got %v, want unknown", field, v)
	}
}

func wantList(t *testing.T, field string, got fact.Opt[[]string], v ...string) {
	t.Helper()
	if g, ok := got.Get(); !ok || !slices.Equal(g, v) {
		t.Errorf("%s: got %q (known: %t), want %q", field, g, ok, v)
	}
}
