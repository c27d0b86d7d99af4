// Package identity provides the certificates and trusted CAs of this service for mutual TLS.
package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc/credentials"
)

// Directory has tls.crt, tls.key, ca.crt and, for a server, the list clients. The kubelet updates the files while the
// process runs; each handshake and each call reads them again.
type Directory string

// Credentials returns TLS 1.3 credentials for clients and servers. A client verifies the server's name against the
// target; a server requires a client certificate of a CA in ca.crt.
func (d Directory) Credentials() (credentials.TransportCredentials, error) {
	config, err := d.config()
	if err != nil {
		return nil, fmt.Errorf("GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt: %w", err)
	}
	return current{credentials.NewTLS(config), d}, nil
}

// MayCall returns whether a SPIFFE URI is on the list of clients.
func (d Directory) MayCall(uri string) (bool, error) {
	list, err := os.ReadFile(filepath.Join(string(d), "clients"))
	return slices.Contains(strings.Fields(string(list)), uri), err
}

// config reads all three files from one version: the kubelet replaces the version by moving a symbolic link, and
// removes the previous version.
func (d Directory) config() (*tls.Config, error) {
	for {
		version, err := d.version()
		if err != nil {
			return nil, err
		}
		config, err := read(version)
		if now, _ := d.version(); err == nil || now == version {
			return config, err
		}
	}
}

func (d Directory) version() (string, error) {
	certificate, err := filepath.EvalSymlinks(filepath.Join(string(d), "tls.crt"))
	return filepath.Dir(certificate), err
}

func read(version string) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(version, "tls.crt"), filepath.Join(version, "tls.key"))
	if err != nil {
		return nil, err
	}
	bundle, err := os.ReadFile(filepath.Join(version, "ca.crt"))
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(bundle) {
		return nil, errors.New("ca.crt has no certificate in PEM")
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		RootCAs:      authorities,
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		// Without tickets, no session is resumed with the result of an earlier verification.
		SessionTicketsDisabled: true,
	}, nil
}

// current uses the current files for each handshake.
type current struct {
	credentials.TransportCredentials // of the initial files, for everything except handshakes
	directory                        Directory
}

func (c current) ClientHandshake(ctx context.Context, authority string, connection net.Conn) (
	net.Conn, credentials.AuthInfo, error,
) {
	config, err := c.directory.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, connection)
}

func (c current) ServerHandshake(connection net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := c.directory.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(config).ServerHandshake(connection)
}

func (c current) Clone() credentials.TransportCredentials { return c }
