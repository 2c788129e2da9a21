package framework

// RequirementStatus is what is shown for one requirement.
type RequirementStatus struct {
	ID       string
	Status   Status
	Controls Tally // of its own controls, by status
	Below    Tally // of the assessed requirements below it, by status
}

// FrameworkStatus is what is shown for one framework.
type FrameworkStatus struct {
	ID           string
	Version      int
	Status       Status
	Requirements Tally // assessed requirements by status
	Controls     Tally // controls that the framework leans on, each once
	Links        int   // mappings
	Corroborated int   // of them, with a public crosswalk behind them
	Reviewed     int   // of them, confirmed by a named person
	Each         []RequirementStatus
}

// Fold folds the statuses of controls into those of a framework and its
// requirements. A control that status does not hold is not covered.
//
// A requirement that asks for something has the status of its own controls,
// not of what stands below it: each line answers for itself. One that only
// holds others has the status of all assessed requirements below it. The
// framework has the status of all its assessed requirements, so that one
// without any control keeps it from passing.
func (f Framework) Fold(status map[string]Status) FrameworkStatus {
	out := FrameworkStatus{ID: f.ID, Version: f.Version}
	seen := map[string]bool{}
	for _, r := range f.Requirements {
		rs := RequirementStatus{ID: r.ID}
		for _, m := range r.Mappings {
			s := statusOf(status, m.Control)
			rs.Controls = rs.Controls.with(s)
			if !seen[m.Control] {
				seen[m.Control] = true
				out.Controls = out.Controls.with(s)
			}
			out.count(m)
		}
		if r.Assessed() {
			rs.Status = rs.Controls.Status()
			out.Requirements = out.Requirements.with(rs.Status)
		}
		out.Each = append(out.Each, rs)
	}
	f.rollUp(out.Each)
	out.Status = out.Requirements.Status()
	return out
}

// rollUp fills what stands below each requirement. Parents stand before their
// children, so that one pass from the end meets every child before its parent.
func (f Framework) rollUp(each []RequirementStatus) {
	below := map[string]Tally{}
	for i := len(each) - 1; i >= 0; i-- {
		r, rs := f.Requirements[i], &each[i]
		rs.Below = below[r.ID]
		up := below[r.Parent].plus(rs.Below)
		if r.Assessed() {
			up = up.with(rs.Status)
		} else {
			rs.Status = rs.Below.Status()
		}
		below[r.Parent] = up
	}
}

func statusOf(status map[string]Status, control string) Status {
	if s, ok := status[control]; ok {
		return s
	}
	return NotCovered
}

func (s *FrameworkStatus) count(m Mapping) {
	s.Links++
	if m.Source == Crosswalk {
		s.Corroborated++
	}
	if m.Reviewed() {
		s.Reviewed++
	}
}

// Coverage says how many of the controls that the framework leans on have any
// status at all: seen of of.
func (s FrameworkStatus) Coverage() (seen, of int) {
	return s.Controls.Covered(), s.Controls.Total()
}

// MappingReviewed says that a named person has confirmed every mapping. Until
// then the mapping is shown as unreviewed.
func (s FrameworkStatus) MappingReviewed() bool { return s.Links > 0 && s.Reviewed == s.Links }

// Readiness returns how many of 100 applicable requirements pass, rounded
// down, so that 100 means all of them. Neither an exception nor an unknown nor
// a requirement that is not covered counts as passed. There is no such number
// (ok is false) while any mapping is unreviewed, or where nothing applies: a
// percentage over links that nobody confirmed would measure our own guess.
func (s FrameworkStatus) Readiness() (percent int, ok bool) {
	applicable := s.Requirements.Total() - s.Requirements.NotApplicable
	if !s.MappingReviewed() || applicable == 0 {
		return 0, false
	}
	return s.Requirements.Pass * 100 / applicable, true
}
