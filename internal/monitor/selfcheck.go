package monitor

import (
	"context"
	"fmt"
)

// SelfCheck counts every verdict afresh and mends the kept counts where they
// differ. A difference is a fault of ours: it is logged and returned.
func (m *Monitor) SelfCheck(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	now := micros(m.now())
	wrong := 0
	err := m.heart(ctx, func(tx Tx) error {
		kept, err := tx.Tally(ctx)
		if err != nil {
			return err
		}
		is, err := tx.CountVerdicts(ctx)
		if err != nil {
			return err
		}
		fix := map[TallyKey]int64{}
		for k, n := range is {
			if kept[k] != n {
				fix[k] = n
			}
		}
		for k, n := range kept {
			if n != 0 && is[k] == 0 {
				fix[k] = 0
			}
		}
		if wrong = len(fix); wrong == 0 {
			return nil
		}
		return tx.SetTally(ctx, now, fix)
	})
	if err != nil {
		return fmt.Errorf("count verdicts afresh: %w", err)
	}
	if wrong > 0 {
		m.log.ErrorContext(ctx, "kept counts differed and were mended", "counts", wrong)
		return fmt.Errorf("%d kept counts differed and were mended", wrong)
	}
	return nil
}
