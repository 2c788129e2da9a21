package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// What Kubernetes says, as far as it is read. Its own names are in the tags.
type (
	apiMeta struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Version     string            `json:"resourceVersion"`
		Generation  int64             `json:"generation"`
		Created     time.Time         `json:"creationTimestamp"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Owners      []apiOwner        `json:"ownerReferences"`
		Managed     []apiManaged      `json:"managedFields"`
	}
	apiOwner struct {
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		Controller bool   `json:"controller"`
	}
	apiManaged struct {
		Time        time.Time       `json:"time"`
		Subresource string          `json:"subresource"`
		Fields      json.RawMessage `json:"fieldsV1"`
	}
	apiObject struct {
		Meta apiMeta `json:"metadata"`
	}
	apiNode struct {
		Meta   apiMeta `json:"metadata"`
		Status struct {
			Info struct {
				Kubelet string `json:"kubeletVersion"`
			} `json:"nodeInfo"`
		} `json:"status"`
	}
	apiRule struct {
		Verbs     []string `json:"verbs"`
		Groups    []string `json:"apiGroups"`
		Resources []string `json:"resources"`
		Names     []string `json:"resourceNames"`
		Paths     []string `json:"nonResourceURLs"`
	}
	apiRole struct {
		Meta  apiMeta   `json:"metadata"`
		Rules []apiRule `json:"rules"`
	}
	apiSubject struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	}
	apiBinding struct {
		Meta     apiMeta      `json:"metadata"`
		Subjects []apiSubject `json:"subjects"`
		Role     struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"roleRef"`
	}
	apiSelector struct {
		Labels      map[string]string `json:"matchLabels"`
		Expressions []any             `json:"matchExpressions"`
	}
	apiPeer struct {
		Pods       *apiSelector `json:"podSelector"`
		Namespaces *apiSelector `json:"namespaceSelector"`
		Block      *struct {
			CIDR   string   `json:"cidr"`
			Except []string `json:"except"`
		} `json:"ipBlock"`
	}
	apiPort struct {
		Protocol string          `json:"protocol"`
		Port     json.RawMessage `json:"port"` // a number or a name
		End      int64           `json:"endPort"`
	}
	apiTraffic struct {
		From  []apiPeer `json:"from"`
		To    []apiPeer `json:"to"`
		Ports []apiPort `json:"ports"`
	}
	apiPolicy struct {
		Meta apiMeta `json:"metadata"`
		Spec struct {
			Pods    apiSelector  `json:"podSelector"`
			Types   []string     `json:"policyTypes"`
			Ingress []apiTraffic `json:"ingress"`
			Egress  []apiTraffic `json:"egress"`
		} `json:"spec"`
	}
	apiIngress struct {
		Meta apiMeta `json:"metadata"`
		Spec struct {
			TLS []struct {
				Hosts []string `json:"hosts"`
			} `json:"tls"`
			Rules []struct {
				Host string `json:"host"`
			} `json:"rules"`
			Default json.RawMessage `json:"defaultBackend"`
		} `json:"spec"`
	}
)

// check refuses an object without a name.
func (m apiMeta) check(namespaced bool) error {
	if m.Name == "" || namespaced && m.Namespace == "" {
		return fmt.Errorf("an object without a name: %w", connector.ErrFormat)
	}
	return nil
}

// full is the name with its namespace before it.
func (m apiMeta) full() string {
	if m.Namespace == "" {
		return m.Name
	}
	return m.Namespace + "/" + m.Name
}

// untouched reports that nobody changed the object since it was made, as far as
// the server keeps who wrote which field when.
func (m apiMeta) untouched() bool {
	for _, f := range m.Managed {
		if f.Time.Sub(m.Created).Abs() > 2*time.Second {
			return false
		}
	}
	return len(m.Managed) > 0 && !m.Created.IsZero()
}

func queryEscape(s string) string { return url.QueryEscape(s) }

func checkName(v any) error {
	s, _ := v.(string)
	if s == "" || len(s) > 100 || strings.ContainsAny(s, "/ \t\n\r") {
		return fmt.Errorf("must be a short name without spaces and slashes, such as production")
	}
	return nil
}
