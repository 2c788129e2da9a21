package fact

import "time"

// Database is a database server as configured.
type Database struct {
	Name            Opt[string]    `json:"name,omitzero" doc:"name"`
	Engine          Opt[string]    `json:"engine,omitzero" doc:"such as postgresql"`
	Version         Opt[string]    `json:"version,omitzero" doc:"version in use"`
	Supported       Opt[bool]      `json:"supported,omitzero" doc:"the vendor still fixes this version"`
	SupportEndsAt   Opt[time.Time] `json:"support_ends_at,omitzero" doc:"end of the vendor's fixes"`
	Encrypted       Opt[bool]      `json:"encrypted,omitzero" doc:"its data are encrypted at rest"`
	TLS             Opt[bool]      `json:"tls,omitzero" doc:"offers encrypted connections"`
	TLSForced       Opt[bool]      `json:"tls_forced,omitzero" doc:"no remote connection without encryption is accepted"`
	TLSMinVersion   Opt[string]    `json:"tls_min_version,omitzero" doc:"oldest TLS version accepted" enum:"1.0,1.1,1.2,1.3"`
	PasswordHash    Opt[string]    `json:"password_hash,omitzero" doc:"how new passwords are kept"`
	WeakAuthRules   Opt[[]string]  `json:"weak_auth_rules,omitzero" doc:"access rules that trust without proof or use a weak method"`
	PlainRules      Opt[[]string]  `json:"plain_rules,omitzero" doc:"access rules that accept remote connections without encryption"`
	LogConnections  Opt[bool]      `json:"log_connections,omitzero" doc:"logs each connection and its end"`
	Audit           Opt[bool]      `json:"audit,omitzero" doc:"an audit extension is loaded"`
	Checksums       Opt[bool]      `json:"checksums,omitzero" doc:"pages carry checksums"`
	Replicas        Opt[int64]     `json:"replicas,omitzero" doc:"replicas connected"`
	Extensions      Opt[[]string]  `json:"extensions,omitzero" doc:"extensions installed"`
	Public          Opt[bool]      `json:"public,omitzero" doc:"reachable from the internet"`
	BackupDays      Opt[int64]     `json:"backup_days,omitzero" doc:"days that backups are kept"`
	BackedUpAt      Opt[time.Time] `json:"backed_up_at,omitzero" doc:"last good backup"`
	RestoreTestedAt Opt[time.Time] `json:"restore_tested_at,omitzero" doc:"last successful restore test"`
	DataDirectory   Opt[string]    `json:"data_directory,omitzero" doc:"where its files lie"`
	Host            Opt[Ref]       `json:"host,omitzero" doc:"machine that it runs on" ref:"host"`
	Owner           Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Database) Kind() string { return "database" }

// Cookie is a cookie that an endpoint sets.
type Cookie struct {
	Name     string `json:"name" doc:"name of the cookie"`
	Secure   bool   `json:"secure" doc:"sent over TLS only"`
	HTTPOnly bool   `json:"http_only" doc:"hidden from scripts"`
	SameSite string `json:"same_site" doc:"lax, strict, none or empty"`
}

// Endpoint is a host and port as seen from outside: its TLS and its HTTP.
type Endpoint struct {
	Host               Opt[string]    `json:"host,omitzero" doc:"name that was asked"`
	Port               Opt[int64]     `json:"port,omitzero" doc:"port that was asked"`
	Reachable          Opt[bool]      `json:"reachable,omitzero" doc:"something answered"`
	TLS                Opt[bool]      `json:"tls,omitzero" doc:"it speaks TLS"`
	TLSVersions        Opt[[]string]  `json:"tls_versions,omitzero" doc:"protocol versions that it accepts, such as 1.2"`
	TLSMinVersion      Opt[string]    `json:"tls_min_version,omitzero" doc:"oldest protocol version accepted" enum:"1.0,1.1,1.2,1.3"`
	LegacyTLS          Opt[bool]      `json:"legacy_tls,omitzero" doc:"accepts a protocol older than TLS 1.2"`
	TLS13              Opt[bool]      `json:"tls13,omitzero" doc:"accepts TLS 1.3"`
	CertTrusted        Opt[bool]      `json:"cert_trusted,omitzero" doc:"its chain leads to a trusted root (its dates and name are judged apart)"`
	CertName           Opt[bool]      `json:"cert_name,omitzero" doc:"the certificate names the host"`
	CertNames          Opt[[]string]  `json:"cert_names,omitzero" doc:"names in the certificate"`
	CertIssuer         Opt[string]    `json:"cert_issuer,omitzero" doc:"issuer of the certificate"`
	CertNotBefore      Opt[time.Time] `json:"cert_not_before,omitzero" doc:"start of the certificate"`
	CertNotAfter       Opt[time.Time] `json:"cert_not_after,omitzero" doc:"end of the certificate; the earliest end in its chain"`
	CertKeyType        Opt[string]    `json:"cert_key_type,omitzero" doc:"rsa, ecdsa or ed25519"`
	CertKeyBits        Opt[int64]     `json:"cert_key_bits,omitzero" doc:"size of its key"`
	CertKeyStrong      Opt[bool]      `json:"cert_key_strong,omitzero" doc:"RSA of 2048 bits or more, ECDSA of 256 or more, or Ed25519"`
	CertSerial         Opt[string]    `json:"cert_serial,omitzero" doc:"serial number of the certificate"`
	HTTPRedirects      Opt[bool]      `json:"http_redirects,omitzero" doc:"plain HTTP leads to HTTPS or is closed"`
	HTTPStatus         Opt[int64]     `json:"http_status,omitzero" doc:"status of the page asked"`
	HSTS               Opt[bool]      `json:"hsts,omitzero" doc:"sends Strict-Transport-Security"`
	HSTSMaxAge         Opt[int64]     `json:"hsts_max_age,omitzero" doc:"its max-age in seconds"`
	CSP                Opt[bool]      `json:"csp,omitzero" doc:"sends Content-Security-Policy"`
	CSPPolicy          Opt[string]    `json:"csp_policy,omitzero" doc:"the policy sent"`
	CSPUnsafe          Opt[bool]      `json:"csp_unsafe,omitzero" doc:"the policy allows inline scripts or eval"`
	FrameProtection    Opt[bool]      `json:"frame_protection,omitzero" doc:"forbids framing by X-Frame-Options or frame-ancestors"`
	NoSniff            Opt[bool]      `json:"no_sniff,omitzero" doc:"sends X-Content-Type-Options: nosniff"`
	ReferrerPolicy     Opt[string]    `json:"referrer_policy,omitzero" doc:"Referrer-Policy sent"`
	ServerVersion      Opt[bool]      `json:"server_version,omitzero" doc:"a header tells the server's version"`
	Cookies            Opt[[]Cookie]  `json:"cookies,omitzero" doc:"cookies that the page sets"`
	SecurityTxt        Opt[bool]      `json:"security_txt,omitzero" doc:"/.well-known/security.txt is served over HTTPS"`
	SecurityTxtValid   Opt[bool]      `json:"security_txt_valid,omitzero" doc:"it keeps RFC 9116's rules apart from its end"`
	SecurityTxtErrors  Opt[[]string]  `json:"security_txt_errors,omitzero" doc:"rules of RFC 9116 that it breaks"`
	SecurityTxtExpires Opt[time.Time] `json:"security_txt_expires,omitzero" doc:"its Expires field"`
	SecurityTxtSigned  Opt[bool]      `json:"security_txt_signed,omitzero" doc:"it carries an OpenPGP signature"`
	Web                Opt[bool]      `json:"web,omitzero" doc:"it answers HTTP"`
}

// Kind implements Data.
func (Endpoint) Kind() string { return "endpoint" }

// Domain is a name in the DNS with its mail rules.
type Domain struct {
	Name          Opt[string]    `json:"name,omitzero" doc:"the domain"`
	Exists        Opt[bool]      `json:"exists,omitzero" doc:"the name is in the DNS"`
	Nameservers   Opt[[]string]  `json:"nameservers,omitzero" doc:"its name servers"`
	SendsMail     Opt[bool]      `json:"sends_mail,omitzero" doc:"it has mail exchangers"`
	SPF           Opt[bool]      `json:"spf,omitzero" doc:"exactly one SPF record is there (RFC 7208)"`
	SPFRecord     Opt[string]    `json:"spf_record,omitzero" doc:"the record"`
	SPFAll        Opt[string]    `json:"spf_all,omitzero" doc:"what it says of everybody else" enum:"pass,neutral,softfail,fail,none"`
	SPFLookups    Opt[int64]     `json:"spf_lookups,omitzero" doc:"look-ups that it costs; more than 10 break it"`
	DKIM          Opt[bool]      `json:"dkim,omitzero" doc:"every selector asked for has a key (RFC 6376)"`
	DKIMSelectors Opt[[]string]  `json:"dkim_selectors,omitzero" doc:"selectors with a key"`
	DKIMMissing   Opt[[]string]  `json:"dkim_missing,omitzero" doc:"selectors asked for that have no key"`
	DMARC         Opt[bool]      `json:"dmarc,omitzero" doc:"exactly one DMARC record is there (RFC 7489)"`
	DMARCRecord   Opt[string]    `json:"dmarc_record,omitzero" doc:"the record"`
	DMARCPolicy   Opt[string]    `json:"dmarc_policy,omitzero" doc:"what it asks of receivers" enum:"none,quarantine,reject"`
	DMARCPercent  Opt[int64]     `json:"dmarc_percent,omitzero" doc:"share of mail that the policy covers"`
	DMARCReports  Opt[bool]      `json:"dmarc_reports,omitzero" doc:"aggregate reports go to an address"`
	CAA           Opt[bool]      `json:"caa,omitzero" doc:"a CAA record limits who may issue certificates (RFC 8659)"`
	CAAIssuers    Opt[[]string]  `json:"caa_issuers,omitzero" doc:"authorities that it allows"`
	DNSSEC        Opt[bool]      `json:"dnssec,omitzero" doc:"signed, with a DS record at the parent"`
	MTASTS        Opt[bool]      `json:"mta_sts,omitzero" doc:"announces an MTA-STS policy (RFC 8461)"`
	ExpiresAt     Opt[time.Time] `json:"expires_at,omitzero" doc:"end of the registration"`
}

// Kind implements Data.
func (Domain) Kind() string { return "domain" }

// Listener is a port that a machine listens on.
type Listener struct {
	Protocol string `json:"protocol" doc:"tcp or udp"`
	Address  string `json:"address" doc:"address that it listens on"`
	Port     int64  `json:"port" doc:"port"`
	Process  string `json:"process" doc:"program, where it may be seen"`
	Public   bool   `json:"public" doc:"listens on more than loopback"`
}

// Host is a machine as it says about itself.
type Host struct {
	Name              Opt[string]     `json:"name,omitzero" doc:"its name"`
	OS                Opt[string]     `json:"os,omitzero" doc:"operating system and version"`
	Kernel            Opt[string]     `json:"kernel,omitzero" doc:"kernel version"`
	Supported         Opt[bool]       `json:"supported,omitzero" doc:"the vendor still fixes this release"`
	SupportEndsAt     Opt[time.Time]  `json:"support_ends_at,omitzero" doc:"end of the vendor's security fixes"`
	Container         Opt[bool]       `json:"container,omitzero" doc:"it is a container; disk, firewall and time are its host's"`
	DiskEncrypted     Opt[bool]       `json:"disk_encrypted,omitzero" doc:"every disk that holds data is encrypted"`
	UnencryptedMounts Opt[[]string]   `json:"unencrypted_mounts,omitzero" doc:"mount points on an unencrypted disk"`
	Firewall          Opt[bool]       `json:"firewall,omitzero" doc:"a rule set refuses what is not asked for"`
	Listeners         Opt[[]Listener] `json:"listeners,omitzero" doc:"ports that it listens on"`
	SSHD              Opt[bool]       `json:"sshd,omitzero" doc:"an SSH server is installed"`
	SSHPasswordLogin  Opt[bool]       `json:"ssh_password_login,omitzero" doc:"the SSH server accepts passwords"`
	SSHRootLogin      Opt[string]     `json:"ssh_root_login,omitzero" doc:"PermitRootLogin in force" enum:"yes,no,prohibit-password,forced-commands-only"`
	SSHEmptyPasswords Opt[bool]       `json:"ssh_empty_passwords,omitzero" doc:"the SSH server accepts empty passwords"`
	SSHWeakAlgorithms Opt[[]string]   `json:"ssh_weak_algorithms,omitzero" doc:"weak ciphers, MACs and key exchanges that the SSH server offers"`
	SSHMaxAuthTries   Opt[int64]      `json:"ssh_max_auth_tries,omitzero" doc:"MaxAuthTries in force"`
	RootAccounts      Opt[[]string]   `json:"root_accounts,omitzero" doc:"accounts with user id 0"`
	EmptyPasswords    Opt[[]string]   `json:"empty_passwords,omitzero" doc:"accounts that open without a password"`
	SudoNoPassword    Opt[[]string]   `json:"sudo_no_password,omitzero" doc:"accounts and groups that sudo asks no password of"`
	SecurityUpdates   Opt[int64]      `json:"security_updates,omitzero" doc:"security updates that wait"`
	UpdatesCheckedAt  Opt[time.Time]  `json:"updates_checked_at,omitzero" doc:"when the package lists were last fetched"`
	RebootNeeded      Opt[bool]       `json:"reboot_needed,omitzero" doc:"an update waits for a restart"`
	AutomaticUpdates  Opt[bool]       `json:"automatic_updates,omitzero" doc:"security updates install themselves"`
	TimeSynchronised  Opt[bool]       `json:"time_synchronised,omitzero" doc:"a time service runs and is in step"`
	Logging           Opt[bool]       `json:"logging,omitzero" doc:"a system log is kept on disk or sent on"`
	LogsForwarded     Opt[bool]       `json:"logs_forwarded,omitzero" doc:"logs leave the machine"`
	AuditDaemon       Opt[bool]       `json:"audit_daemon,omitzero" doc:"the kernel's audit log is written"`
	NotSeen           Opt[[]string]   `json:"not_seen,omitzero" doc:"fields that the account of the reader may not read"`
	NotSeenCommand    Opt[string]     `json:"not_seen_command,omitzero" doc:"the command that would let the reader see them"`
	BootedAt          Opt[time.Time]  `json:"booted_at,omitzero" doc:"last start"`
	Owner             Opt[Ref]        `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Host) Kind() string { return "host" }

// Device is a computer or phone that a person works with.
type Device struct {
	Name             Opt[string]    `json:"name,omitzero" doc:"its name"`
	Serial           Opt[string]    `json:"serial,omitzero" doc:"serial number"`
	Active           Opt[bool]      `json:"active,omitzero" doc:"in use"`
	OS               Opt[string]    `json:"os,omitzero" doc:"operating system and version"`
	OSSupported      Opt[bool]      `json:"os_supported,omitzero" doc:"the vendor still fixes this version"`
	DiskEncrypted    Opt[bool]      `json:"disk_encrypted,omitzero" doc:"its disk is encrypted"`
	ScreenLock       Opt[bool]      `json:"screen_lock,omitzero" doc:"it locks itself"`
	ScreenLockSecs   Opt[int64]     `json:"screen_lock_seconds,omitzero" doc:"idle seconds before it locks"`
	Malware          Opt[bool]      `json:"malware_protection,omitzero" doc:"malware protection is active"`
	Firewall         Opt[bool]      `json:"firewall,omitzero" doc:"its firewall is on"`
	AutomaticUpdates Opt[bool]      `json:"automatic_updates,omitzero" doc:"updates install themselves"`
	PasswordManager  Opt[bool]      `json:"password_manager,omitzero" doc:"a password manager is installed"`
	RemoteLogin      Opt[bool]      `json:"remote_login,omitzero" doc:"accepts sign-ins over the network"`
	Managed          Opt[bool]      `json:"managed,omitzero" doc:"under the organisation's device management"`
	LastSeen         Opt[time.Time] `json:"last_seen,omitzero" doc:"last report"`
	Owner            Opt[Ref]       `json:"owner,omitzero" doc:"person who works with it" ref:"person"`
}

// Kind implements Data.
func (Device) Kind() string { return "device" }

// Storage is a place for objects or files: a bucket, a share, a volume.
type Storage struct {
	Name       Opt[string]    `json:"name,omitzero" doc:"name"`
	Type       Opt[string]    `json:"type,omitzero" doc:"what it is" enum:"bucket,volume,share,snapshot,backup"`
	Public     Opt[bool]      `json:"public,omitzero" doc:"anybody can read it"`
	Encrypted  Opt[bool]      `json:"encrypted,omitzero" doc:"encrypted at rest"`
	TLSOnly    Opt[bool]      `json:"tls_only,omitzero" doc:"refuses unencrypted access"`
	Versioned  Opt[bool]      `json:"versioned,omitzero" doc:"keeps earlier versions"`
	Logged     Opt[bool]      `json:"logged,omitzero" doc:"access is logged"`
	Sensitive  Opt[bool]      `json:"sensitive,omitzero" doc:"holds personal or secret data"`
	Region     Opt[string]    `json:"region,omitzero" doc:"where it lies"`
	BackedUpAt Opt[time.Time] `json:"backed_up_at,omitzero" doc:"last good backup"`
	Owner      Opt[Ref]       `json:"owner,omitzero" doc:"person who answers for it" ref:"person"`
}

// Kind implements Data.
func (Storage) Kind() string { return "storage" }

// NetworkRule is a rule that lets traffic in or out.
type NetworkRule struct {
	Name      Opt[string]   `json:"name,omitzero" doc:"name"`
	Group     Opt[string]   `json:"group,omitzero" doc:"rule set that it is in"`
	Direction Opt[string]   `json:"direction,omitzero" doc:"which way" enum:"in,out"`
	Allow     Opt[bool]     `json:"allow,omitzero" doc:"lets traffic pass"`
	Protocol  Opt[string]   `json:"protocol,omitzero" doc:"tcp, udp, icmp or any"`
	FromPort  Opt[int64]    `json:"from_port,omitzero" doc:"first port"`
	ToPort    Opt[int64]    `json:"to_port,omitzero" doc:"last port"`
	Networks  Opt[[]string] `json:"networks,omitzero" doc:"addresses on the other side"`
	Anywhere  Opt[bool]     `json:"anywhere,omitzero" doc:"the other side is the whole internet"`
	Host      Opt[Ref]      `json:"host,omitzero" doc:"machine that it guards" ref:"host"`
}

// Kind implements Data.
func (NetworkRule) Kind() string { return "network_rule" }
