package pg_test

import (
	"fmt"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/connector/pg"
)

func TestAddress(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://u:p@db.example.com":                                      "db.example.com:5432 u p u prefer",
		"postgresql://u:p%40%2F@[::1]:6000/app?sslmode=require":              "[::1]:6000 u p@/ app require",
		"postgres://u@db/app?sslrootcert=system":                             "db:5432 u  app verify-full",
		"postgres:///app?host=/run/postgresql&user=u&port=1":                 "/run/postgresql:1 u  app prefer",
		"postgres://u:horse@db/app?sslmode=verify-ca&application_name=other": "db:5432 u horse app verify-ca",
		"postgres://u:horse@a,b/app":                                         "several",
		"postgres://:horse@db/app":                                           "names no role",
		"postgres://u:horse@db/app?sslmode=maybe":                            "sslmode must be",
		"postgres://u:horse@db/app?sslrootcert=/etc/shadow":                  "setting ca",
		"postgres://u:horse@db/app?passfile=/etc/shadow":                     "leave it out",
		"postgres://u:horse@db:0/app":                                        "port",
		"postgres://u:horse@db:x/app":                                        "must be an address",
		"postgres://u:ho#rse@db/app":                                         "must be an address",
		"https://u:horse@db/app":                                             "must be an address",
		"host=db password=horse":                                             "must be an address",
		"postgres://u:horse@db/a%00b":                                        "NUL",
		"":                                                                   "must be an address",
	} {
		got, err := pg.ParseAddress(address)
		text := fmt.Sprintf("%s %s %s %s %s", got.Name(), got.User, got.Password, got.Database, got.Mode)
		if err != nil {
			text = err.Error()
			if strings.Contains(text, "horse") {
				t.Errorf("the error about %q holds the password: %s", address, text)
			}
		}
		if err == nil && text != want || err != nil && !strings.Contains(text, want) {
			t.Errorf("address %q = %q, want %q", address, text, want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("postgres://u:horse@db:5432/app?sslmode=require", "horse")
	f.Add("postgres://u:%zz@db", "%zz")
	f.Fuzz(func(t *testing.T, address, _ string) {
		got, err := pg.ParseAddress(address)
		if err == nil && (got.Host == "" || got.User == "" || got.Port == 0 || got.Database == "" || got.Mode == "") {
			t.Errorf("%q gave %+v", address, got)
		}
	})
}

func FuzzParseRoots(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, text string) {
		if pool, err := pg.ParseRoots(text); (pool == nil) == (err == nil) {
			t.Errorf("%q gave %v, %v", text, pool, err)
		}
	})
}
