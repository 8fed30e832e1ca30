package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/internal/jsondoc"
)

// secretMembers are those of clients and APIs that are or may hold secrets, of
// their own or of other systems.
var secretMembers = []string{"client_secret", "signing_secret", "encryption_key", "addons"}

func addSecretFile(cmd *cobra.Command) {
	cmd.Flags().Bool("show-secrets", false, "print secrets too")
	cmd.Flags().String("secret-file", "", "write the client's secret to `FILE`, which must not exist; only you can read it")
}

// secretFile is where --secret-file puts a secret. The file is made before the
// secret, so that nothing which can be known beforehand loses it.
type secretFile struct{ f *os.File }

// openSecretFile makes the file that cmd was given; nil if it was given none.
func openSecretFile(cmd *cobra.Command) (*secretFile, error) {
	name, _ := cmd.Flags().GetString("secret-file")
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, usageError{fmt.Errorf("--secret-file: %w", err)}
	}
	return &secretFile{f}, nil
}

// keep writes the secret of a client. One that has none leaves no file.
func (s *secretFile) keep(object jsondoc.Object) error {
	if s == nil {
		return nil
	}
	secret := jsondoc.String(object["client_secret"])
	if secret == "" {
		return errors.Join(s.drop(), errors.New("the client has no secret, so --secret-file holds none"))
	}
	_, err := s.f.WriteString(secret + "\n")
	if err := errors.Join(err, s.f.Sync(), s.f.Close()); err != nil {
		return fmt.Errorf("the client has a new secret that could not be written: rotate it again: %w", err)
	}
	return nil
}

// drop removes the file again.
func (s *secretFile) drop() error {
	if s == nil {
		return nil
	}
	return errors.Join(s.f.Close(), os.Remove(s.f.Name()))
}
