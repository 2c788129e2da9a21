package sql

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"prumo.dev/prumo/internal/connector/mapping"
)

// rowOf turns a row into what a map sees. NULL says nothing, so its column is
// left out. Times are times in UTC, arrays lists, json and jsonb what they hold,
// numeric a number, uuid a text; a type that is not known is the server's text.
func rowOf(rows pgx.Rows, columns []string) (map[string]any, error) {
	values, err := rows.Values()
	if err != nil {
		return nil, &mapping.Misfit{Why: "a value of the query could not be read; turn its column into text"}
	}
	row := map[string]any{}
	raw := rows.RawValues()
	for i, v := range values {
		if x := plain(v, raw[i]); x != nil {
			row[columns[i]] = x
		}
	}
	return row, nil
}

// plain is a value as the row holds it; nil where it says nothing.
func plain(v any, raw []byte) any {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return v
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case int64:
		return v
	case uint32:
		return int64(v)
	case float32:
		return finite(float64(v))
	case float64:
		return finite(v)
	case time.Time:
		return v.UTC()
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	case pgtype.Numeric:
		return numeric(v)
	case pgtype.Interval:
		const day = 86400
		return int64(v.Months)*30*day + int64(v.Days)*day + v.Microseconds/1_000_000
	case netip.Prefix:
		if v.IsSingleIP() {
			return v.Addr().String()
		}
		return v.String()
	case []any:
		return list(v)
	case map[string]any:
		return object(v)
	}
	if raw == nil { // within an array or an object
		return strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD")
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

func list(v []any) any {
	out := make([]any, 0, len(v))
	for _, x := range v {
		if x = plain(x, nil); x != nil {
			out = append(out, x)
		}
	}
	return out
}

func object(v map[string]any) any {
	out := map[string]any{}
	for k, x := range v {
		if x = plain(x, nil); x != nil {
			out[k] = x
		}
	}
	return out
}

// finite leaves out what no number of JSON can say.
func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// numeric keeps whole numbers exact where they fit.
func numeric(n pgtype.Numeric) any {
	if !n.Valid || n.NaN || n.InfinityModifier != pgtype.Finite {
		return nil
	}
	text, err := n.MarshalJSON()
	if err != nil {
		return nil
	}
	if i, err := json.Number(text).Int64(); err == nil {
		return i
	}
	f, err := json.Number(text).Float64()
	if err != nil {
		return string(text)
	}
	return finite(f)
}
