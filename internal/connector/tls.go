package connector

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Names of the settings by which a source names a private authority and its own
// client certificate. A connector that may need them adds TLSFields to its
// fields; the source's client then follows them.
const (
	PrivateCA         = "ca"
	ClientCertificate = "client_certificate"
	ClientKey         = "client_key"
)

// TLSFields returns the settings of a private authority and a client certificate.
func TLSFields() []Field {
	return []Field{
		{
			Name: PrivateCA, Type: FieldText, Lines: true, Check: checkCA,
			Label: Text{"en": "Certificate authority", "pt-BR": "Autoridade certificadora", "es": "Autoridad de certificación"},
			Hint: Text{
				"en":    "Certificates in PEM that sign the server's own; in prumo.yaml {file: ca.pem}; empty: those of this machine",
				"pt-BR": "Certificados em PEM que assinam o do servidor; em prumo.yaml {file: ca.pem}; vazio: os desta máquina",
				"es":    "Certificados en PEM que firman el del servidor; en prumo.yaml {file: ca.pem}; vacío: los de esta máquina",
			},
		},
		{
			Name: ClientCertificate, Type: FieldText, Lines: true,
			Label: Text{"en": "Client certificate", "pt-BR": "Certificado de cliente", "es": "Certificado de cliente"},
			Hint: Text{
				"en":    "In PEM, with its key below; where the server knows its clients by certificate",
				"pt-BR": "Em PEM, com a chave abaixo; onde o servidor conhece seus clientes por certificado",
				"es":    "En PEM, con su clave abajo; donde el servidor conoce a sus clientes por certificado",
			},
		},
		{
			Name: ClientKey, Type: FieldSecret, Lines: true,
			Label: Text{"en": "Key of the client certificate", "pt-BR": "Chave do certificado de cliente", "es": "Clave del certificado de cliente"},
			Hint:  Text{"en": "In PEM, without a passphrase", "pt-BR": "Em PEM, sem senha", "es": "En PEM, sin contraseña"},
		},
	}
}

func checkCA(v any) error {
	s, _ := v.(string)
	_, err := pool(s)
	return err
}

func pool(pem string) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("holds no PEM certificate; give the text between BEGIN CERTIFICATE and END CERTIFICATE, with both lines")
	}
	return p, nil
}

// TLSOf returns what a source's settings say about TLS, for a client's TLS; nil:
// nothing. Only a connector with the fields of TLSFields has a say. A named
// authority replaces those of this machine, so that nobody else can vouch for
// the system.
func TLSOf(info Info, s Settings) (*tls.Config, error) {
	if !declares(info, ClientKey) {
		return nil, nil //nolint:nilnil // without a say there is nothing to configure
	}
	ca, cert, key := s.Text(PrivateCA), s.Text(ClientCertificate), s.Text(ClientKey)
	if ca == "" && cert == "" && key == "" {
		return nil, nil //nolint:nilnil // nothing was set, which is no error
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		p, err := pool(ca)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrSettings, PrivateCA, err)
		}
		cfg.RootCAs = p
	}
	if cert != "" || key != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			// The parser's own words may quote the key.
			return nil, fmt.Errorf("%w: %s and %s: must be a certificate and its key in PEM, one for the other", ErrSettings, ClientCertificate, ClientKey)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func declares(info Info, name string) bool {
	for _, f := range info.Fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
