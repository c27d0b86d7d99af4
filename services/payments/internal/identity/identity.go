// Package identity is who this service is to the others, and whom it trusts.
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

// Directory has tls.crt, tls.key, ca.crt and, for a service that is called, the list clients. The kubelet keeps it
// current while the process runs, so each handshake and each call reads it anew.
type Directory string

// Credentials are those of either side of mutual TLS 1.3. A client takes a server for what its target names; a server
// asks each client for a certificate of an authority in ca.crt.
func (d Directory) Credentials() (credentials.TransportCredentials, error) {
	config, err := d.config()
	if err != nil {
		return nil, fmt.Errorf("GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt: %w", err)
	}
	return current{credentials.NewTLS(config), d}, nil
}

// MayCall says whether a SPIFFE URI is on the list of clients.
func (d Directory) MayCall(uri string) (bool, error) {
	list, err := os.ReadFile(filepath.Join(string(d), "clients"))
	return slices.Contains(strings.Fields(string(list)), uri), err
}

// config has all three files of one version: the kubelet replaces them at once, by moving a link that tls.crt leads
// through, and removes those before.
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
		// A resumed session would be trusted for what was verified before.
		SessionTicketsDisabled: true,
	}, nil
}

// current shakes hands with the files as they are then.
type current struct {
	credentials.TransportCredentials // of the first files, for all but the handshakes
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
