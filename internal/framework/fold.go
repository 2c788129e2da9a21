package framework

import "time"

// A Status is what is shown for a control, a requirement or a framework.
type Status string

// The statuses. Only Pass says that something was shown to hold.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	Unknown       Status = "unknown"
	Excepted      Status = "excepted"
	NotApplicable Status = "not_applicable"
	// NotCovered is the absence of a status: no check and no record has said
	// anything. It is never a pass and never a fail.
	NotCovered Status = "not_covered"
)

// Counts says how many verdicts of one check (or how many records) stand at
// each status. Every verdict is counted once, under what is shown for it: one
// under an exception counts as Excepted, one that went stale as Stale, not as
// the outcome that lies beneath.
type Counts struct{ Pass, Fail, Unknown, NotApplicable, Excepted, Stale int64 }

// Plus returns the sum of both.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Pass: c.Pass + d.Pass, Fail: c.Fail + d.Fail, Unknown: c.Unknown + d.Unknown,
		NotApplicable: c.NotApplicable + d.NotApplicable, Excepted: c.Excepted + d.Excepted, Stale: c.Stale + d.Stale,
	}
}

// Total returns how many verdicts were counted.
func (c Counts) Total() int64 {
	return c.Pass + c.Fail + c.Unknown + c.NotApplicable + c.Excepted + c.Stale
}

func (c Counts) negative() bool {
	return c.Pass < 0 || c.Fail < 0 || c.Unknown < 0 || c.NotApplicable < 0 || c.Excepted < 0 || c.Stale < 0
}

// Status folds counts. The first rule that fits decides:
//
//  1. A negative count cannot be true: unknown, whatever else it says.
//  2. Any fail: fail. One open door is an open door.
//  3. Any unknown or stale: unknown. What nobody saw may be open.
//  4. Any excepted: excepted. The rest holds, and the exception stays visible.
//  5. Any pass: pass. All that could fail was seen to hold.
//  6. Any not applicable: not applicable.
//  7. Nothing counted: not covered.
func (c Counts) Status() Status {
	switch {
	case c.negative():
		return Unknown
	case c.Fail > 0:
		return Fail
	case c.Unknown > 0 || c.Stale > 0:
		return Unknown
	case c.Excepted > 0:
		return Excepted
	case c.Pass > 0:
		return Pass
	case c.NotApplicable > 0:
		return NotApplicable
	}
	return NotCovered
}

// A Record is what proves a control without a source: a document or a record
// that a person put in.
type Record struct {
	Approved bool
	From     time.Time // start of the period that it proves; zero: since ever
	Until    time.Time // when it expires; zero: never
}

// Counts says what a record shows at an instant: an approved one within its
// period passes; one that has expired is stale, and one that is not approved
// or not yet begun is unknown, since neither shows that the control fails.
func (r Record) Counts(now time.Time) Counts {
	switch {
	case !r.Until.IsZero() && !now.Before(r.Until):
		return Counts{Stale: 1}
	case !r.Approved || now.Before(r.From):
		return Counts{Unknown: 1}
	}
	return Counts{Pass: 1}
}

// ControlStatus is what is shown for one control.
type ControlStatus struct {
	Status Status
	Counts Counts // of all proofs together
	Proofs int    // checks and records that belong to the control
	Seen   int    // those of them that have said anything
}

// FoldControl folds what the checks and records of a control say; one Counts
// for each check (or each check and source) and each record. A check that has
// judged nothing yet, because no source brings its kind, has said nothing: it
// is a proof that was not seen, and a control with none but such is not
// covered.
func FoldControl(proofs []Counts) ControlStatus {
	s := ControlStatus{Proofs: len(proofs)}
	statuses := Tally{}
	for _, p := range proofs {
		s.Counts = s.Counts.Plus(p)
		if status := p.Status(); status != NotCovered {
			s.Seen++
			statuses = statuses.with(status)
		}
	}
	s.Status = statuses.Status()
	return s
}

// A Tally says how many things stand at each status.
type Tally struct{ Pass, Fail, Unknown, Excepted, NotApplicable, NotCovered int }

// TallyOf counts statuses.
func TallyOf(statuses ...Status) Tally {
	var t Tally
	for _, s := range statuses {
		t = t.with(s)
	}
	return t
}

func (t Tally) with(s Status) Tally {
	switch s {
	case Pass:
		t.Pass++
	case Fail:
		t.Fail++
	case Excepted:
		t.Excepted++
	case NotApplicable:
		t.NotApplicable++
	case NotCovered:
		t.NotCovered++
	default: // Unknown, and anything that is no status
		t.Unknown++
	}
	return t
}

func (t Tally) plus(u Tally) Tally {
	return Tally{
		Pass: t.Pass + u.Pass, Fail: t.Fail + u.Fail, Unknown: t.Unknown + u.Unknown,
		Excepted: t.Excepted + u.Excepted, NotApplicable: t.NotApplicable + u.NotApplicable, NotCovered: t.NotCovered + u.NotCovered,
	}
}

// Total returns how many things were counted.
func (t Tally) Total() int {
	return t.Pass + t.Fail + t.Unknown + t.Excepted + t.NotApplicable + t.NotCovered
}

// Covered returns how many have a status at all.
func (t Tally) Covered() int { return t.Total() - t.NotCovered }

// Status folds statuses: those of a requirement's controls, of the
// requirements of a group, of those of a framework. The first rule that fits
// decides:
//
//  1. Any fail: fail.
//  2. Nothing covered: not covered.
//  3. Any unknown: unknown.
//  4. Some covered and some not: unknown. What was shown holds, but it is not
//     all that the requirement leans on; the tally says how much was seen.
//  5. Any excepted: excepted.
//  6. Any pass: pass.
//  7. Else: not applicable.
func (t Tally) Status() Status {
	switch {
	case t.Fail > 0:
		return Fail
	case t.Covered() == 0:
		return NotCovered
	case t.Unknown > 0 || t.NotCovered > 0:
		return Unknown
	case t.Excepted > 0:
		return Excepted
	case t.Pass > 0:
		return Pass
	}
	return NotApplicable
}
