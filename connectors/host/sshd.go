package host

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// sshdSettings are an SSH server's settings: each keyword, in lower case, with its value.
type sshdSettings map[string]string

// sshd reads the SSH server's settings in force. `sshd -T` tells them with the
// defaults of its own version, but only to root; the files tell the rest. A
// Match block may allow more than the rest of the file: what is reported is
// what somebody, somewhere, is allowed.
func (l *look) sshd(ctx context.Context, f *fact.Host) {
	path := l.sys.program("sshd")
	open := path != ""
	other := l.sys.program("dropbear") != "" || l.sys.program("tinysshd") != ""
	f.SSHD = fact.Some(open || other)
	if !open {
		return
	}
	config, parseErr := l.sshdFiles(ctx)
	global := config.global
	out, err := l.sys.run(ctx, 3*time.Second, "sshd", "-T")
	if errors.Is(err, errDenied) && l.sudo {
		out, err = l.sys.run(ctx, 3*time.Second, "sudo", "-n", path, "-T")
	}
	whole := err == nil
	if whole {
		global = parseSSHDump(string(out))
	} else if errors.Is(err, errDenied) {
		l.miss("ssh_weak_algorithms", path, "-T")
	}
	if parseErr != nil && !whole {
		if errors.Is(parseErr, fs.ErrPermission) {
			for _, field := range []string{"ssh_password_login", "ssh_root_login", "ssh_empty_passwords", "ssh_max_auth_tries"} {
				l.miss(field, path, "-T")
			}
		}
		return
	}
	f.SSHPasswordLogin = l.passwordLogin(global, config.matches)
	f.SSHRootLogin = fact.Some(mostOpenRoot(global, config.matches))
	f.SSHEmptyPasswords = fact.Some(anyYes("permitemptypasswords", "no", global, config.matches))
	if n, err := strconv.ParseInt(global.or("maxauthtries", "6"), 10, 64); err == nil {
		f.SSHMaxAuthTries = fact.Some(n)
	}
	f.SSHWeakAlgorithms = weakAlgorithms(global, whole)
}

func (s sshdSettings) or(key, def string) string {
	if v, ok := s[key]; ok {
		return v
	}
	return def
}

// passwordLogin: a password opens where password authentication is on, or
// keyboard-interactive through PAM with a password module, unless every way in
// also asks for another method.
func (l *look) passwordLogin(global sshdSettings, matches []sshdSettings) fact.Opt[bool] {
	unsure := false
	for _, m := range append([]sshdSettings{{}}, matches...) {
		get := func(key, def string) string { return m.or(key, global.or(key, def)) }
		if !passwordAlone(get("authenticationmethods", "any")) {
			continue
		}
		if get("passwordauthentication", "yes") == "yes" {
			return fact.Some(true)
		}
		kbd := get("kbdinteractiveauthentication", get("challengeresponseauthentication", "yes"))
		if kbd != "yes" || get("usepam", "no") != "yes" {
			continue
		}
		asks, known := l.pamAsksPassword("sshd", 0)
		if asks {
			return fact.Some(true)
		}
		unsure = unsure || !known
	}
	return fact.SomeIf(false, !unsure)
}

// passwordAlone reports that some list of AuthenticationMethods asks for
// nothing but a password.
func passwordAlone(methods string) bool {
	if methods == "any" {
		return true
	}
	for _, list := range strings.Fields(methods) {
		alone := true
		for _, m := range strings.Split(list, ",") {
			name, _, _ := strings.Cut(m, ":")
			if name != "password" && name != "keyboard-interactive" {
				alone = false
			}
		}
		if alone {
			return true
		}
	}
	return false
}

// pamAsksPassword looks for a password module in a PAM service and what it includes.
func (l *look) pamAsksPassword(service string, depth int) (asks, known bool) {
	b, err := l.sys.read(path.Join("/etc/pam.d", path.Base(service)))
	if err != nil || depth > 8 {
		return false, false
	}
	known = true
	for _, line := range strings.Split(string(b), "\n") {
		w := strings.Fields(line)
		var include string
		switch {
		case len(w) == 2 && w[0] == "@include":
			include = w[1]
		case len(w) >= 3 && strings.TrimPrefix(w[0], "-") == "auth" && (w[1] == "include" || w[1] == "substack"):
			include = w[2]
		case len(w) >= 3 && strings.TrimPrefix(w[0], "-") == "auth":
			for _, module := range []string{"pam_unix", "pam_sss", "pam_ldap", "pam_krb5", "pam_winbind"} {
				if strings.Contains(line, module+".so") {
					return true, true
				}
			}
		}
		if include != "" {
			more, ok := l.pamAsksPassword(include, depth+1)
			if more {
				return true, true
			}
			known = known && ok
		}
	}
	return false, known
}

func anyYes(key, def string, global sshdSettings, matches []sshdSettings) bool {
	if global.or(key, def) == "yes" {
		return true
	}
	return slices.ContainsFunc(matches, func(m sshdSettings) bool { return m[key] == "yes" })
}

// mostOpenRoot returns the most permissive PermitRootLogin of the file.
func mostOpenRoot(global sshdSettings, matches []sshdSettings) string {
	order := []string{"no", "forced-commands-only", "prohibit-password", "yes"}
	rank := func(v string) int {
		if v == "without-password" {
			v = "prohibit-password"
		}
		return slices.Index(order, v)
	}
	best := rank(global.or("permitrootlogin", "prohibit-password"))
	for _, m := range matches {
		if v, ok := m["permitrootlogin"]; ok {
			best = max(best, rank(v))
		}
	}
	return order[max(best, 0)]
}

// weakAlgorithms lists what the server offers of broken or too short
// algorithms. What OpenSSH offers by default today is not in the list.
func weakAlgorithms(s sshdSettings, whole bool) fact.Opt[[]string] {
	weak, known := []string{}, true
	for _, key := range []string{"ciphers", "macs", "kexalgorithms", "hostkeyalgorithms"} {
		v, ok := s[key]
		if !ok && key == "hostkeyalgorithms" {
			continue
		}
		if !ok || v == "" || strings.ContainsRune("+-^", rune(v[0])) {
			known = false
			continue
		}
		for _, a := range strings.Split(v, ",") {
			if isWeak(a) && !slices.Contains(weak, a) {
				weak = append(weak, a)
			}
		}
	}
	slices.Sort(weak)
	return fact.SomeIf(weak, known || whole)
}

func isWeak(a string) bool {
	for _, p := range []string{"3des", "arcfour", "blowfish", "cast128", "des-", "rijndael", "none", "hmac-md5", "hmac-ripemd160", "hmac-sha1-96", "umac-32", "ssh-dss"} {
		if strings.HasPrefix(a, p) {
			return true
		}
	}
	return strings.HasSuffix(a, "-cbc") || a == "ssh-rsa" ||
		a == "diffie-hellman-group1-sha1" || a == "diffie-hellman-group14-sha1" || a == "diffie-hellman-group-exchange-sha1" ||
		strings.HasPrefix(a, "gss-group1-") || strings.HasPrefix(a, "gss-gex-sha1")
}

// parseSSHDump reads the answer of `sshd -T`: one keyword and its value a line.
func parseSSHDump(text string) sshdSettings {
	s := sshdSettings{}
	for _, line := range strings.Split(text, "\n") {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if k == "" {
			continue
		}
		if _, ok := s[strings.ToLower(k)]; !ok {
			s[strings.ToLower(k)] = strings.TrimSpace(v)
		}
	}
	return s
}

// An sshdConfig is what the files say: before any Match, and in each Match.
type sshdConfig struct {
	global  sshdSettings
	matches []sshdSettings
}

func (l *look) sshdFiles(ctx context.Context) (sshdConfig, error) {
	c := sshdConfig{global: sshdSettings{}}
	p := sshdParser{into: c.global, glob: l.sys.glob, read: l.sys.read}
	if l.sudo {
		p.read = func(name string) ([]byte, error) { return l.file(ctx, "ssh_password_login", name) }
	}
	err := p.file("/etc/ssh/sshd_config", 0)
	return sshdConfig{global: c.global, matches: p.matches}, err
}

// An sshdParser follows OpenSSH's rules: the first value of a keyword stands, an
// Include is read where it is written, and a Match lasts until the next Match or
// the end of its file.
type sshdParser struct {
	read    func(name string) ([]byte, error)
	glob    func(pattern string) []string
	into    sshdSettings
	matches []sshdSettings
}

func (p *sshdParser) file(name string, depth int) error {
	if depth > 16 {
		return nil
	}
	b, err := p.read(name)
	if err != nil {
		return err
	}
	outer := p.into
	defer func() { p.into = outer }()
	for _, line := range strings.Split(string(b), "\n") {
		key, value := sshdLine(line)
		switch key {
		case "":
		case "match":
			if strings.EqualFold(value, "all") {
				p.into = outer
				continue
			}
			p.into = sshdSettings{}
			p.matches = append(p.matches, p.into)
		case "include":
			if err := p.include(value, depth); err != nil {
				return err
			}
		default:
			if _, ok := p.into[key]; !ok {
				p.into[key] = strings.ToLower(value)
			}
		}
	}
	return nil
}

func (p *sshdParser) include(patterns string, depth int) error {
	for _, pattern := range strings.Fields(patterns) {
		if !path.IsAbs(pattern) {
			pattern = path.Join("/etc/ssh", pattern)
		}
		for _, name := range p.glob(pattern) {
			if err := p.file(name, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// sshdLine splits a line into its keyword, in lower case, and its value without
// quotes and comment.
func sshdLine(line string) (key, value string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", ""
	}
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		return strings.ToLower(line), ""
	}
	key = strings.ToLower(line[:i])
	rest := strings.TrimLeft(line[i:], " \t")
	if strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	if i := strings.Index(rest, " #"); i >= 0 {
		rest = rest[:i]
	}
	return key, strings.TrimSpace(strings.ReplaceAll(rest, `"`, ""))
}
