package host

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// grants are who may become root, as sudo's files say.
type grants struct {
	known      bool
	all        map[string]bool // users and %groups that may run every command
	noPassword map[string]bool // of them, those that are asked no password
	aliases    map[string][]string
	noAuth     bool // Defaults !authenticate
}

// sudoers reads sudo's rules. An account that may run a few named commands
// without a password is not listed: it is asked for everything else.
func (l *look) sudoers(ctx context.Context, f *fact.Host) {
	g := grants{all: map[string]bool{}, noPassword: map[string]bool{}, aliases: map[string][]string{}}
	lines, err := l.sudoLines(ctx, "/etc/sudoers", 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.sys.program("sudo") == "":
		g.known = !l.sys.exists("/etc/doas.conf") && !l.sys.exists("/etc/doas.d")
	case err == nil:
		g.known = true
		g.parse(lines)
	}
	l.grants = g
	if !g.known {
		return
	}
	names := []string{}
	for n := range g.noPassword {
		names = append(names, n)
	}
	slices.Sort(names)
	f.SudoNoPassword = fact.Some(names)
}

// sudoLines reads a file of rules and what it includes, as whole lines.
func (l *look) sudoLines(ctx context.Context, name string, depth int) ([]string, error) {
	if depth > 16 {
		return nil, nil
	}
	b, err := l.file(ctx, "sudo_no_password", name)
	if err != nil {
		if depth == 0 && errors.Is(err, fs.ErrPermission) && l.sys.exists("/etc/sudoers.d") {
			l.miss("sudo_no_password", "/usr/bin/grep", "-r", ".", "/etc/sudoers.d")
		}
		return nil, err
	}
	return l.sudoText(ctx, name, string(b), depth)
}

func (l *look) sudoText(ctx context.Context, name, text string, depth int) ([]string, error) {
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		target := strings.Trim(strings.TrimSpace(rest), `"`)
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		switch word {
		case "#include", "@include":
			more, err := l.sudoLines(ctx, target, depth+1)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			out = append(out, more...)
		case "#includedir", "@includedir":
			more, err := l.sudoDir(ctx, target, depth)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		default:
			if line = sudoComment(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out, nil
}

// sudoComment cuts a comment off; a # before a digit is a user id.
func sudoComment(line string) string {
	for i := range len(line) {
		if line[i] != '#' || i > 0 && line[i-1] == '\\' {
			continue
		}
		if i+1 < len(line) && line[i+1] >= '0' && line[i+1] <= '9' {
			continue
		}
		return strings.TrimSpace(line[:i])
	}
	return line
}

func (l *look) sudoDir(ctx context.Context, dir string, depth int) ([]string, error) {
	names, err := l.sys.list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return l.sudoClosedDir(ctx, dir, depth)
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		if passedOver(n) {
			continue
		}
		more, err := l.sudoLines(ctx, path.Join(dir, n), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// passedOver names files that sudo does not read.
func passedOver(name string) bool {
	return strings.Contains(name, ".") || strings.HasSuffix(name, "~")
}

// sudoClosedDir reads a folder that the account may not list, by one command
// whose arguments a sudo rule can name in full.
func (l *look) sudoClosedDir(ctx context.Context, dir string, depth int) ([]string, error) {
	argv := []string{"/usr/bin/grep", "-r", ".", dir}
	if !l.sudo {
		l.miss("sudo_no_password", argv...)
		return nil, fs.ErrPermission
	}
	b, err := l.sys.run(ctx, 3*time.Second, append([]string{"sudo", "-n"}, argv...)...)
	if err != nil {
		l.miss("sudo_no_password", argv...)
		return nil, err
	}
	files := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if name, rule, ok := strings.Cut(line, ":"); ok && path.Dir(name) == dir && !passedOver(path.Base(name)) {
			files[name] += rule + "\n"
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		more, err := l.sudoText(ctx, name, files[name], depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func (g *grants) parse(lines []string) {
	var rules []string
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "User_Alias" || word == "Cmnd_Alias" || word == "Cmd_Alias" || word == "Runas_Alias" || word == "Host_Alias":
			for _, def := range strings.Split(rest, ":") {
				if name, list, ok := strings.Cut(def, "="); ok {
					g.aliases[word[:1]+strings.TrimSpace(name)] = commaList(list)
				}
			}
		case strings.HasPrefix(word, "Defaults"):
			if word == "Defaults" && slices.Contains(commaList(rest), "!authenticate") {
				g.noAuth = true
			}
		default:
			rules = append(rules, line)
		}
	}
	for _, r := range rules {
		g.rule(r)
	}
	if g.noAuth {
		for n := range g.all {
			g.noPassword[n] = true
		}
	}
}

// rule reads one rule: WHO HOST = (RUNAS) TAGS: COMMANDS [: HOST = …].
func (g *grants) rule(line string) {
	who, spec, ok := strings.Cut(line, "=")
	who = strings.TrimSpace(who)
	i := strings.LastIndexAny(who, " \t")
	if !ok || i < 0 {
		return
	}
	names := g.expand("U", commaList(who[:i]), 0)
	for {
		list, after, _ := strings.Cut(spec, " : ")
		g.grant(names, list)
		_, next, more := strings.Cut(after, "=")
		if !more {
			return
		}
		spec = next
	}
}

// grant notes the names for a list of commands that holds ALL.
func (g *grants) grant(names []string, spec string) {
	noPassword := false
	for _, command := range commaList(spec) {
		command = strings.TrimSpace(command)
		if strings.HasPrefix(command, "(") {
			if _, after, ok := strings.Cut(command, ")"); ok {
				command = strings.TrimSpace(after)
			}
		}
		for {
			tag, after, ok := strings.Cut(command, ":")
			if !ok || strings.ContainsAny(tag, " /=\\") || strings.ToUpper(tag) != tag {
				break
			}
			switch tag { // a tag lasts for the commands after it
			case "NOPASSWD":
				noPassword = true
			case "PASSWD":
				noPassword = false
			}
			command = strings.TrimSpace(after)
		}
		if !slices.Contains(g.expand("C", []string{command}, 0), "ALL") {
			continue
		}
		for _, n := range names {
			g.all[n] = true
			if noPassword {
				g.noPassword[n] = true
			}
		}
	}
}

// expand resolves aliases of a class: U for users, C for commands.
func (g *grants) expand(class string, names []string, depth int) []string {
	var out []string
	for _, n := range names {
		if list, ok := g.aliases[class+n]; ok && depth < 8 {
			out = append(out, g.expand(class, list, depth+1)...)
			continue
		}
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

// admin reports administrative rights: user id 0, a sudo rule over every
// command, or a group whose members become root without asking.
func (g *grants) admin(u *unixUser) fact.Opt[bool] {
	if u.uid == 0 {
		return fact.Some(true)
	}
	for _, group := range u.groups {
		if group == "docker" || group == "lxd" || group == "incus-admin" || g.all["%"+group] {
			return fact.Some(true)
		}
	}
	if g.all[u.name] || g.all["ALL"] {
		return fact.Some(true)
	}
	return fact.SomeIf(false, g.known)
}

func commaList(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		out = append(out, strings.TrimSpace(p))
	}
	return out
}
