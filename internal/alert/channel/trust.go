package channel

import "context"

type trustKey struct{}

// Trust marks the context of a message whose route is written in the
// operator's own file: it may reach addresses that a route made in the console
// may not.
func Trust(ctx context.Context) context.Context { return context.WithValue(ctx, trustKey{}, true) }

// Trusted reports whether the message's route is written in the operator's file.
func Trusted(ctx context.Context) bool {
	t, _ := ctx.Value(trustKey{}).(bool)
	return t
}
