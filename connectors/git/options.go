package git

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// What jobs can be mapped to.
const (
	coversTest       = "test"
	coversCode       = "code-scan"
	coversDependency = "dependency-scan"
	coversSecret     = "secret-scan"
	coversEndToEnd   = "end-to-end"
)

func coverages() []string {
	return []string{coversTest, coversCode, coversDependency, coversSecret, coversEndToEnd}
}

// Marks that a reviewed change may leave in the history.
const (
	markReviewedBy = "reviewed-by"
	markMerge      = "merge"
	markNumber     = "number"
)

type options struct {
	path, url, branch       string
	token, sshKey           string
	knownHosts, ca          string
	period                  time.Duration
	jobs                    map[string][]string
	marks                   []string
	gitleaks, leaksConfig   string
	leaksReport             string
	allowedSigners, keyring string
	production              bool
	maxBytes                int64
	timeout                 time.Duration
}

// Info implements connector.Connector.
func (git) Info() connector.Info {
	return connector.Info{
		ID:    "git",
		Title: "Git",
		Summary: connector.Text{
			"en":    "Reads one Git repository by path or address: code owners, pipelines, lock files, history, signatures and committed secrets.",
			"pt-BR": "Lê um repositório Git por caminho ou endereço: donos do código, pipelines, arquivos de trava, histórico, assinaturas e segredos versionados.",
			"es":    "Lee un repositorio Git por ruta o dirección: dueños del código, pipelines, archivos de bloqueo, historial, firmas y secretos versionados.",
		},
		Origin:      fact.OriginAPI,
		Kinds:       []string{"repository", "pipeline", "commit"},
		Fields:      fields(),
		Permissions: permissions(),
		Every:       time.Hour,
	}
}

func permissions() []connector.Permission {
	return []connector.Permission{{
		Name: "read (clone)",
		Why: connector.Text{
			"en":    "Reads the history and the files. The credential needs no right to write.",
			"pt-BR": "Lê o histórico e os arquivos. A credencial não precisa de direito de escrita.",
			"es":    "Lee el historial y los archivos. La credencial no necesita derecho de escritura.",
		},
		Kinds: []string{"repository", "pipeline", "commit"},
	}}
}

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

func fields() []connector.Field {
	return []connector.Field{
		{Name: "url", Type: connector.FieldText, Label: text("Address", "Endereço", "Dirección"),
			Hint: text("https://… or ssh://…; also git@host:folder/name.git", "https://… ou ssh://…; também git@host:pasta/nome.git", "https://… o ssh://…; también git@host:carpeta/nombre.git")},
		{Name: "path", Type: connector.FieldPath, Local: true, Label: text("Folder", "Pasta", "Carpeta"),
			Hint: text("A repository on this machine, instead of an address.", "Um repositório nesta máquina, em vez de um endereço.", "Un repositorio en esta máquina, en lugar de una dirección.")},
		{Name: "token", Type: connector.FieldSecret, Label: text("Token", "Token", "Token"),
			Hint: text("For https: a token that may read the repository.", "Para https: um token que possa ler o repositório.", "Para https: un token que pueda leer el repositorio.")},
		{Name: "ssh_key", Type: connector.FieldSecret, Label: text("SSH key", "Chave SSH", "Clave SSH"),
			Hint: text("For ssh: a private key without passphrase, as a read-only deploy key.", "Para ssh: chave privada sem senha, como chave de implantação somente leitura.", "Para ssh: clave privada sin contraseña, como clave de despliegue de solo lectura.")},
		{Name: "known_hosts", Type: connector.FieldText, Label: text("Known hosts", "Hosts conhecidos", "Hosts conocidos"),
			Hint: text("For ssh: the server's lines of known_hosts.", "Para ssh: as linhas do servidor em known_hosts.", "Para ssh: las líneas del servidor en known_hosts.")},
		{Name: "branch", Type: connector.FieldText, Label: text("Branch", "Ramo", "Rama"),
			Hint: text("The branch that reaches production; the repository's own default if empty.", "O ramo que chega à produção; o padrão do repositório se vazio.", "La rama que llega a producción; la predeterminada si está vacía.")},
		{Name: "period", Type: connector.FieldInt, Default: int64(90), Label: text("Period in days", "Período em dias", "Período en días"),
			Hint: text("How far back the history is judged.", "Até onde o histórico é julgado.", "Hasta dónde se juzga el historial.")},
		{Name: "jobs", Type: connector.FieldMap, Label: text("Jobs", "Jobs", "Jobs"),
			Hint: text("Which jobs are what: test, code-scan, dependency-scan, secret-scan, end-to-end, each with names or patterns such as `unit*`. What is not mapped stays unknown.",
				"Que jobs são o quê: test, code-scan, dependency-scan, secret-scan, end-to-end, cada um com nomes ou padrões como `unit*`. O que não for mapeado fica desconhecido.",
				"Qué jobs son qué: test, code-scan, dependency-scan, secret-scan, end-to-end, cada uno con nombres o patrones como `unit*`. Lo que no se asigna queda desconocido.")},
		{Name: "review_marks", Type: connector.FieldList, Label: text("Marks of review", "Marcas de revisão", "Marcas de revisión"),
			Hint: text("What a reviewed change leaves in your history: reviewed-by (a trailer naming another person), merge (a merge commit), number (a title ending in (#12)). Git cannot prove review by itself; without this it stays unknown.",
				"O que uma mudança revisada deixa no histórico: reviewed-by (linha que nomeia outra pessoa), merge (commit de merge), number (título que termina em (#12)). O Git sozinho não prova revisão; sem isto fica desconhecido.",
				"Lo que un cambio revisado deja en el historial: reviewed-by (línea que nombra a otra persona), merge (commit de fusión), number (título que termina en (#12)). Git solo no prueba la revisión; sin esto queda desconocido.")},
		{Name: "production", Type: connector.FieldBool, Label: text("Reaches production", "Chega à produção", "Llega a producción"),
			Hint: text("Its default branch reaches production.", "Seu ramo padrão chega à produção.", "Su rama predeterminada llega a producción.")},
		{Name: "gitleaks", Type: connector.FieldPath, Local: true, Label: text("gitleaks program", "Programa gitleaks", "Programa gitleaks"),
			Hint: text("Where the gitleaks program is, if not in the system's folders.", "Onde está o programa gitleaks, se não nas pastas do sistema.", "Dónde está el programa gitleaks, si no en las carpetas del sistema.")},
		{Name: "gitleaks_config", Type: connector.FieldPath, Local: true, Label: text("gitleaks rules", "Regras do gitleaks", "Reglas de gitleaks"),
			Hint: text("Your own rules and exceptions; the repository's own file is not used.", "Suas próprias regras e exceções; o arquivo do próprio repositório não é usado.", "Sus propias reglas y excepciones; el archivo del repositorio no se usa.")},
		{Name: "gitleaks_report", Type: connector.FieldPath, Local: true, Label: text("gitleaks report", "Relatório do gitleaks", "Informe de gitleaks"),
			Hint: text("A JSON or SARIF report made elsewhere, instead of running the program.", "Um relatório JSON ou SARIF feito em outro lugar, em vez de executar o programa.", "Un informe JSON o SARIF hecho en otro lugar, en vez de ejecutar el programa.")},
		{Name: "allowed_signers", Type: connector.FieldPath, Local: true, Label: text("Allowed signers", "Signatários permitidos", "Firmantes permitidos"),
			Hint: text("SSH keys whose signatures count, in ssh-keygen's format.", "Chaves SSH cujas assinaturas contam, no formato do ssh-keygen.", "Claves SSH cuyas firmas cuentan, en el formato de ssh-keygen.")},
		{Name: "keyring", Type: connector.FieldPath, Local: true, Label: text("GnuPG folder", "Pasta do GnuPG", "Carpeta de GnuPG"),
			Hint: text("A GnuPG home with the OpenPGP keys whose signatures count.", "Uma pasta do GnuPG com as chaves OpenPGP cujas assinaturas contam.", "Una carpeta de GnuPG con las claves OpenPGP cuyas firmas cuentan.")},
		{Name: "ca", Type: connector.FieldPath, Local: true, Label: text("Authorities", "Autoridades", "Autoridades"),
			Hint: text("For https: a file with the certificates of a private authority.", "Para https: arquivo com os certificados de uma autoridade privada.", "Para https: archivo con los certificados de una autoridad privada.")},
		{Name: "max_mb", Type: connector.FieldInt, Default: int64(1024), Label: text("Largest clone in MB", "Maior clone em MB", "Clon más grande en MB"),
			Hint: text("A larger repository is read in part.", "Um repositório maior é lido em parte.", "Un repositorio más grande se lee en parte.")},
		{Name: "timeout", Type: connector.FieldInt, Default: int64(300), Label: text("Longest reading in seconds", "Leitura mais longa em segundos", "Lectura más larga en segundos"),
			Hint: text("A longer reading is cut and says so.", "Uma leitura mais longa é cortada e diz isso.", "Una lectura más larga se corta y lo dice.")},
	}
}

func wrong(field, why string) error {
	return fmt.Errorf("%w: %s: %s", connector.ErrSettings, field, why)
}

func readOptions(s connector.Settings) (options, error) {
	o := options{
		path: s.Text("path"), url: s.Text("url"), branch: s.Text("branch"), token: s.Text("token"), sshKey: s.Text("ssh_key"),
		knownHosts: s.Text("known_hosts"), ca: s.Text("ca"), jobs: s.Map("jobs"), marks: s.List("review_marks"), production: s.Bool("production"),
		gitleaks: s.Text("gitleaks"), leaksConfig: s.Text("gitleaks_config"), leaksReport: s.Text("gitleaks_report"),
		allowedSigners: s.Text("allowed_signers"), keyring: s.Text("keyring"),
		period: 90 * 24 * time.Hour, maxBytes: 1 << 30, timeout: 5 * time.Minute,
	}
	if n := s.Int("period"); n > 0 {
		o.period = time.Duration(min(n, 3650)) * 24 * time.Hour
	}
	if n := s.Int("max_mb"); n > 0 {
		o.maxBytes = min(n, 1<<20) << 20
	}
	if n := s.Int("timeout"); n > 0 {
		o.timeout = time.Duration(min(n, 24*3600)) * time.Second
	}
	return o, o.check()
}

func (o *options) check() error {
	switch {
	case o.path == "" && o.url == "":
		return wrong("url", "is missing; give the repository's address, or its folder as path in prumo.yaml")
	case o.path != "" && o.url != "":
		return wrong("path", "give either path or url, not both")
	case strings.HasPrefix(o.branch, "-") || strings.ContainsAny(o.branch, " ~^:?*[\\\x00\n") || strings.Contains(o.branch, ".."):
		return wrong("branch", "is not a branch name")
	}
	for k, globs := range o.jobs {
		if !slices.Contains(coverages(), k) {
			return wrong("jobs", fmt.Sprintf("%q is not known; map %s", k, strings.Join(coverages(), ", ")))
		}
		for _, g := range globs {
			if _, err := path.Match(g, ""); err != nil {
				return wrong("jobs", fmt.Sprintf("pattern %q of %s is not valid", g, k))
			}
		}
	}
	for _, m := range o.marks {
		if m != markReviewedBy && m != markMerge && m != markNumber {
			return wrong("review_marks", fmt.Sprintf("%q is not known; use reviewed-by, merge or number", m))
		}
	}
	for name, p := range map[string]*string{
		"path": &o.path, "ca": &o.ca, "gitleaks": &o.gitleaks, "gitleaks_config": &o.leaksConfig,
		"gitleaks_report": &o.leaksReport, "allowed_signers": &o.allowedSigners, "keyring": &o.keyring,
	} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return wrong(name, "is not a path")
		}
		*p = abs
	}
	if o.url == "" {
		return nil
	}
	_, err := parseRemote(o.url)
	return err
}

// A remote is an address that may be asked: https or ssh, nothing else.
type remote struct {
	https      bool
	user       string
	host, port string
	path       string
}

// parseRemote accepts https://host/path, ssh://user@host/path and user@host:path.
// Git would run a program for ext::…, and take a leading dash for an option.
func parseRemote(s string) (remote, error) {
	if strings.HasPrefix(s, "-") || strings.Contains(s, "::") || strings.ContainsAny(s, "\n\r\x00 \\") {
		return remote{}, wrong("url", "must be https://… or ssh://…")
	}
	if user, rest, ok := strings.Cut(s, "@"); ok && !strings.Contains(s, "://") {
		host, p, ok := strings.Cut(rest, ":")
		if ok && plainName(user) && plainName(host) && p != "" && !strings.HasPrefix(p, "-") {
			return remote{user: user, host: host, port: "22", path: p}, nil
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.Fragment != "" {
		return remote{}, wrong("url", "must be https://host/folder/name or ssh://user@host/folder/name")
	}
	r := remote{https: u.Scheme == "https", host: u.Hostname(), port: u.Port(), path: u.Path}
	_, hasPassword := u.User.Password()
	switch {
	case hasPassword || r.https && u.User != nil:
		return remote{}, wrong("url", "must hold no credential; put it in token or ssh_key")
	case u.Scheme != "https" && u.Scheme != "ssh":
		return remote{}, wrong("url", "must begin with https:// or ssh://; other ways are refused")
	case !plainName(r.host) && !strings.Contains(r.host, ":"):
		return remote{}, wrong("url", "names no host")
	}
	if u.User != nil {
		r.user = u.User.Username()
	}
	if r.user != "" && !plainName(r.user) {
		return remote{}, wrong("url", "names no user that ssh takes")
	}
	if r.port == "" {
		r.port = map[bool]string{true: "443", false: "22"}[r.https]
	}
	return r, nil
}

// plainName reports a name that cannot be taken for an option or a command.
func plainName(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '.' {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r) {
			return false
		}
	}
	return true
}
