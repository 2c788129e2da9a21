package kratos

import (
	"encoding/json"
	"slices"

	"prumo.dev/prumo/internal/fact"
)

// Kratos' names of credentials.
const (
	credPassword = "password"
	credOIDC     = "oidc"
	credTOTP     = "totp"
	credLookup   = "lookup_secret"
	credWebAuthn = "webauthn"
	credPasskey  = "passkey"
	credCode     = "code"
)

// Factors are what an identity has enrolled beyond its first factor.
type factors struct {
	mfa     fact.Opt[bool]
	methods fact.Opt[[]string]
}

// judge says which second factors stand among an identity's credentials, by the
// rules of Kratos' level aal2: TOTP, recovery codes, security keys that do not
// stand in for the password, and codes by mail or SMS where Kratos is configured so.
//
// Whoever signs in through another provider or with a passkey may well be asked
// for two factors there, which Kratos does not know: without a factor of its own
// such an identity is unknown. Kratos keeps a password credential also for who
// has set none, so one beside them says nothing.
func judge(creds map[string]apiCredential, rules rules) factors {
	if creds == nil {
		return factors{}
	}
	methods, unsure := []string{}, false
	for _, name := range []string{credTOTP, credLookup} {
		if _, ok := creds[name]; ok {
			methods = append(methods, name)
		}
	}
	second, first, ok := securityKeys(creds)
	if second {
		methods = append(methods, credWebAuthn)
	}
	unsure = !ok
	_, hasCode := creds[credCode]
	if byCode, known := rules.codeMFA.Get(); known && byCode {
		methods = append(methods, credCode)
	} else if hasCode && !known {
		unsure = true
	}
	slices.Sort(methods)
	f := factors{methods: fact.SomeIf(methods, !unsure)}
	_, oidc := creds[credOIDC]
	_, passkey := creds[credPasskey]
	switch {
	case len(methods) > 0:
		asked, known := rules.asked.Get()
		f.mfa = fact.Some(asked || !known)
	case !unsure && !oidc && !passkey && !first:
		f.mfa = fact.Some(false)
	}
	return f
}

// securityKeys says whether WebAuthn is a second factor, and whether it is a
// first one; not ok if Kratos did not show which.
func securityKeys(creds map[string]apiCredential) (second, first, ok bool) {
	c, has := creds[credWebAuthn]
	if !has {
		return false, false, true
	}
	var config struct {
		Credentials []struct {
			Passwordless bool `json:"is_passwordless"`
		} `json:"credentials"`
	}
	if len(c.Config) == 0 || json.Unmarshal(c.Config, &config) != nil {
		return false, false, false
	}
	for _, k := range config.Credentials {
		second = second || !k.Passwordless
		first = first || k.Passwordless
	}
	return second, first, true
}
