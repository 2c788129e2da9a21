package kubernetes

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// Metrics are what an API server counts about itself, as far as it proves a
// setting that it shows nowhere else.
type metrics struct {
	audited      float64 // events handed to a log
	encrypted    float64 // Secrets written or read in encrypted form
	plain        float64 // Secrets written in plain form although encryption is configured
	alwaysAllow  float64 // requests let through without asking for rights
	requestCount float64
}

const maxMetricLine = 1 << 20

// parseMetrics reads the text format of Prometheus.
func parseMetrics(body []byte) (metrics, error) {
	m := metrics{}
	sc := bufio.NewScanner(bytes.NewReader(body))
	sc.Buffer(nil, maxMetricLine)
	for sc.Scan() {
		line := sc.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		name, labels, value, ok := sample(line)
		if !ok {
			return metrics{}, fmt.Errorf("metrics: %w", connector.ErrFormat)
		}
		switch name {
		case "apiserver_audit_event_total":
			m.audited += value
		case "apiserver_request_total":
			m.requestCount += value
		case "apiserver_authorization_decisions_total":
			m.decided(labels, value)
		case "apiserver_storage_transformation_operations_total":
			m.transformed(labels, value)
		}
	}
	if err := sc.Err(); err != nil {
		return metrics{}, fmt.Errorf("metrics: %w: %w", connector.ErrFormat, err)
	}
	if m.requestCount == 0 {
		return metrics{}, fmt.Errorf("metrics of something else: %w", connector.ErrFormat)
	}
	return m, nil
}

func (m *metrics) decided(labels map[string]string, n float64) {
	if labels["decision"] == "allowed" && labels["type"] == "AlwaysAllow" {
		m.alwaysAllow += n
	}
}

// transformed counts how Secrets are stored. What was read in plain form says
// nothing of what is written now.
func (m *metrics) transformed(labels map[string]string, n float64) {
	if labels["resource"] != "secrets" {
		return
	}
	switch prefix := labels["transformer_prefix"]; {
	case strings.HasPrefix(prefix, "k8s:enc:") && labels["status"] == "OK":
		m.encrypted += n
	case (prefix == "" || prefix == "identity") && labels["transformation_type"] == "to_storage":
		m.plain += n // other prefixes are names of keys within an encryption
	}
}

// sample splits a line into name, labels and value.
func sample(line string) (name string, labels map[string]string, value float64, ok bool) {
	at := strings.IndexAny(line, "{ ")
	if at <= 0 {
		return "", nil, 0, false
	}
	name, rest := line[:at], line[at:]
	labels = map[string]string{}
	if rest[0] == '{' {
		if rest, ok = readLabels(rest[1:], labels); !ok {
			return "", nil, 0, false
		}
	}
	fields := strings.Fields(rest)
	if len(fields) < 1 || len(fields) > 2 {
		return "", nil, 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || math.IsNaN(value) || value < 0 {
		return name, labels, 0, err == nil
	}
	return name, labels, value, true
}

// readLabels reads name="value" pairs up to the closing brace.
func readLabels(s string, into map[string]string) (rest string, ok bool) {
	for {
		s = strings.TrimLeft(s, ", ")
		if strings.HasPrefix(s, "}") {
			return s[1:], true
		}
		name, after, found := strings.Cut(s, `="`)
		if !found {
			return "", false
		}
		var value strings.Builder
		i := 0
		for ; i < len(after) && after[i] != '"'; i++ {
			if after[i] == '\\' && i+1 < len(after) {
				i++
			}
			value.WriteByte(after[i])
		}
		if i == len(after) {
			return "", false
		}
		into[name] = value.String()
		s = after[i+1:]
	}
}
