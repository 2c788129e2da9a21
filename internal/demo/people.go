package demo

import (
	"fmt"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// A worker is somebody of the organisation.
type worker struct {
	name, login    string
	team, title    string
	country, kind  string
	id             fact.Ref
	manager        fact.Ref
	started, ended time.Time // ended zero: still here
	engineer       bool
	mail           string
}

func (p *worker) here(at time.Time) bool {
	return !at.Before(p.started) && (p.ended.IsZero() || at.Before(p.ended))
}

// A team and how many people work in it.
type team struct {
	name, title string
	size        int
	engineer    bool
}

func teams() []team {
	return []team{
		{"Platform", "Platform engineer", 14, true},
		{"Product", "Software engineer", 22, true},
		{"Payments", "Software engineer", 13, true},
		{"Data", "Data engineer", 9, true},
		{"Mobile", "Mobile engineer", 8, true},
		{"Security", "Security engineer", 5, true},
		{"Design", "Product designer", 7, false},
		{"Support", "Support specialist", 15, false},
		{"Sales", "Account executive", 14, false},
		{"Finance", "Accountant", 6, false},
		{"People", "People partner", 5, false},
		{"Legal", "Counsel", 3, false},
	}
}

func firstNames() []string {
	return strings.Fields(`Amaro Benilde Caetana Dorval Elvira Firmino Graciema Heitor Ivone Juvenal Leocadia Moacir Nadir Otacilio
		Perpetua Quintino Rosalvo Socorro Tibiriça Urbano Zenaide Aitana Bermudo Casilda Dalmacio Eulogia Froilan Gundemaro Hilaria
		Iñigo Jacoba Leandra Melquiades Nicanor Obdulia Prudencio Remedios Saturnino Tecla Ubaldo Wanda Ansgar Birte Cuno Dagny
		Eilert Freda Gerlind Harke Imke Jorid Kjell Lorimer Maren Orla Perdita Quillan Rhoswen Sorley Tamsin Verity Wynn`)
}

func lastNames() []string {
	return strings.Fields(`Abrolhos Buriti Canastra Diamantino Ererê Formosa Guarabira Itapuã Jalapão Lençois Mantiqueira Nhandu
		Ouricuri Piracema Sabará Tucunaré Umbuzeiro Veredas Aldehuela Barbadillo Cifuentes-Olmo Drago Enebro Fresneda Garganta
		Hontanar Jaramago Laguna-Seca Madroñal Navalmoral Olmeda Peñalba Quejigo Retama Sabinar Tomillar Valdepino Almgren
		Birkenfeld Dünhaupt Ellerbrock Fjordland Grimsby-Lowe Holmqvist Isenbüttel Kestrelton Larkmoor Nethercott Oxbarrow
		Pennywell Quarrington Rookhope Silverdale Thistlewood Underhay Whinfell Yarrowby`)
}

// plain turns a name into ASCII for logins and addresses.
func plain(s string) string {
	r := strings.NewReplacer("ã", "a", "ç", "c", "é", "e", "ê", "e", "á", "a", "ñ", "n", "ü", "u", "ó", "o")
	return strings.ToLower(r.Replace(s))
}

// people invents the staff: those who stay, those who left in the quarter and
// those who joined in it.
func (w *world) people() {
	taken := map[string]bool{}
	for _, t := range teams() {
		var lead fact.Ref
		for i := range t.size {
			p := w.worker(t, taken)
			if i == 0 {
				p.title, lead = "Head of "+t.name, p.id
			} else {
				p.manager = lead
			}
			w.staff = append(w.staff, p)
		}
	}
	for i, n := range []int{4, 19, 31, 40, 58, 66, 77, 85, 102} { // leavers
		p := w.staff[n]
		p.ended = w.ago(time.Duration(2+i*10)*day + 5*time.Hour)
		if p.started.After(p.ended) {
			p.started = p.ended.Add(-400 * day)
		}
		w.trouble("people", w.now.Sub(p.ended).Hours()/24, 0)
	}
	for i, n := range []int{8, 23, 45, 62, 79, 97, 110} { // new hires
		p := w.staff[n]
		p.started = w.ago(time.Duration(3+i*12)*day + 8*time.Hour)
	}
	for _, p := range w.staff {
		w.person(p)
	}
}

func (w *world) worker(t team, taken map[string]bool) *worker {
	for {
		first, last := one(w, firstNames()), one(w, lastNames())
		login := plain(first) + "." + plain(last)
		if taken[login] || taken[first] && w.chance(80) {
			continue
		}
		taken[login], taken[first] = true, true
		return &worker{
			name: first + " " + last, login: login, mail: login + "@quillwort.example", team: t.name, title: t.title,
			country: one(w, []string{"BR", "BR", "BR", "ES", "ES", "US", "DE", "PT"}), engineer: t.engineer,
			kind: one(w, []string{"employee", "employee", "employee", "employee", "employee", "employee", "contractor"}),
			id:   fact.Ref("people/" + login), started: w.ago(time.Duration(120+w.rng.IntN(2400))*day + 8*time.Hour),
		}
	}
}

// person is somebody's file: a few have overdue training or open policies, and
// of some nobody wrote down a screening.
func (w *world) person(p *worker) {
	trained := p.started.Add(time.Duration(3+w.rng.IntN(20)) * day)
	for trained.Before(w.ago(330 * day)) {
		trained = trained.Add(time.Duration(320+w.rng.IntN(40)) * day)
	}
	late := w.chance(6)
	screened := p.started.Add(-time.Duration(5+w.rng.IntN(20)) * day)
	unscreened, pending := w.chance(5), int64(0)
	if w.chance(9) {
		pending = int64(1 + w.rng.IntN(2))
	}
	t := w.vary("people", "people", string(p.id), func(at time.Time) fact.Data {
		f := fact.Person{
			Name: some(p.name), Email: some(p.mail), Type: some(p.kind), Active: some(p.here(at)), Title: some(p.title), Team: some(p.team),
			Country: some(p.country), StartedAt: some(p.started), ScreeningLawful: some(p.country != "DE"),
			PoliciesPending: some(pending), ConfidentialityAt: some(p.started),
			ScreenedAt: unless(unscreened, screened),
		}
		f.Manager = unless(p.manager == "", p.manager)
		if !late && !trained.After(at) {
			f.TrainedAt = some(trained)
		}
		if !p.ended.IsZero() && at.After(p.ended.Add(-14*day)) {
			f.EndedAt = some(p.ended)
		}
		return f
	})
	if p.started.After(w.start) {
		t.born = p.started.Add(-7 * day)
	}
}

// signIn is a last sign-in that moves on once a fortnight, so that a history
// of two thousand accounts does not change with every reading.
func signIn(p *worker, at time.Time, lag time.Duration) time.Time {
	t := at.Truncate(14 * day).Add(-lag)
	if t.Before(p.started) {
		t = p.started.Add(time.Hour)
	}
	if !p.ended.IsZero() && t.After(p.ended) {
		t = p.ended.Add(-time.Hour)
	}
	return t
}

// accounts invents who opens what: single sign-on for everybody, a directory
// for engineers and support, the forge for engineers, and programs.
func (w *world) accounts() {
	linger := w.staff[4]  // left, and the account still opens
	slow := w.staff[40]   // left, and the account was closed six days later
	dormant := w.staff[7] // has not signed in for months
	for i, p := range w.staff {
		closes := p.ended
		switch p {
		case linger:
			closes = time.Time{}
		case slow:
			closes = p.ended.Add(6 * day)
		}
		if !closes.IsZero() {
			w.trouble("identity", w.now.Sub(closes).Hours()/24, 0)
		}
		u := user{w: w, p: p, system: "kratos", closes: closes, admin: i%36 == 0 || p.team == "Security" && i%3 == 0, dormant: p == dormant}
		w.seat(u, "identity", "identities", mfaOf(w, i))
		if p.engineer || p.team == "Support" {
			u.system, u.admin = "ldap", i%45 == 1
			w.seat(u, "directory", "accounts", mfaOf(w, i+3))
		}
		if p.engineer {
			u.system, u.admin = "forge", p.title == "Head of Platform" || p.title == "Head of Security"
			w.seat(u, "forge", "accounts", mfaOf(w, i+5))
		}
	}
	w.programs()
}

// mfaOf says since when a person has a second factor: nearly everybody always,
// some since this quarter, a few not yet; of one in forty the system does not say.
func mfaOf(w *world, i int) fact.Opt[time.Time] {
	switch {
	case i%41 == 17:
		return fact.Opt[time.Time]{}
	case i%29 == 11:
		return some(w.now.Add(Days * day))
	case i%17 == 5:
		return some(w.ago(time.Duration(5+i%70) * day))
	}
	return some(w.start.Add(-day))
}

// A user is a person in a system.
type user struct {
	w              *world
	p              *worker
	system         string
	closes         time.Time
	admin, dormant bool
}

func (w *world) seat(u user, source, scope string, mfa fact.Opt[time.Time]) {
	p := u.p
	since, known := mfa.Get()
	if known && since.After(w.start) && since.Before(w.now) {
		w.turns[source] = append(w.turns[source], since.Add(time.Minute))
	}
	lag := time.Duration(1+w.rng.IntN(60)) * time.Hour
	method := one(w, []string{"totp", "webauthn", "webauthn"})
	t := w.vary(source, scope, u.system+"/"+p.login, func(at time.Time) fact.Data {
		f := fact.Account{
			Login: some(p.login), Name: some(p.name), Email: some(p.mail), System: some(u.system), Type: some("human"),
			Active: some(u.closes.IsZero() || at.Before(u.closes)), Interactive: some(true), Admin: some(u.admin),
			External: some(p.kind == "contractor"), Person: some(p.id), CreatedAt: some(p.started), Groups: some([]string{strings.ToLower(p.team)}),
		}
		if known {
			on := !at.Before(since)
			f.MFA, f.MFAMethods = some(on), some([]string{})
			if on {
				f.MFAMethods = some([]string{method})
			}
		}
		last := signIn(p, at, lag)
		if u.dormant {
			last = w.ago(140 * day)
		}
		f.LastSignIn, f.NeverSignedIn = some(last), some(false)
		return f
	})
	if p.started.After(w.start) {
		t.born = p.started
	}
	if u.system == "ldap" && !u.closes.IsZero() { // the directory deletes where the others disable
		t.gone = u.closes.Add(10 * day)
	}
}

// programs invents service accounts with their owners; one owner has left, and
// one account belongs to nobody on record.
func (w *world) programs() {
	for i, name := range []string{"release-robot", "dependency-robot", "build-runner", "report-export", "billing-sync", "backup-agent", "chat-bridge"} {
		source, scope, system := "forge", "accounts", "forge"
		if i > 2 {
			source, scope, system = "identity", "identities", "kratos"
		}
		f := fact.Account{
			Login: some(name), System: some(system), Type: some("service"), Active: some(true), Interactive: some(false), Admin: some(i == 5),
			CreatedAt: some(w.ago(time.Duration(200+i*90) * day)), Owner: some(w.staff[1+i*5].id),
		}
		switch i {
		case 4:
			f.Owner = some(w.staff[31].id) // has left
		case 6:
			f.Owner = fact.Opt[fact.Ref]{}
		}
		w.add(source, scope, system+"/"+name, f)
	}
	w.add("identity", "identities", "kratos/frontdesk", fact.Account{
		Login: some("frontdesk"), System: some("kratos"), Type: some("shared"), Active: some(true), Interactive: some(true), Admin: some(false),
		MFA: some(false), CreatedAt: some(w.ago(900 * day)), Owner: some(w.staff[100].id),
	})
	for i := range 4 { // outside collaborators, of whom nobody on record answers for one
		login := fmt.Sprintf("partner-%d", i+1)
		w.add("forge", "accounts", "forge/"+login, fact.Account{
			Login: some(login), System: some("forge"), Type: some("human"), Active: some(true), External: some(true), Admin: some(false),
			MFA: unless(i == 2, i != 1), CreatedAt: some(w.ago(time.Duration(150+40*i) * day)), NeverSignedIn: some(i == 3),
			LastSignIn: unless(i == 3, w.ago(time.Duration(2+i)*day)),
		})
	}
}
