package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterhq/roster/internal/registry"
	"github.com/rosterhq/roster/internal/seal"
)

const (
	keysetPoll = 2 * time.Second // how often a server looks at its keyset file

	// keysetSettle is how long after a change of the file every server on it
	// has taken it over.
	keysetSettle = 5 * time.Second

	// pruneSettle is how long after that no request is under way any more that
	// has begun to use the keys of before.
	pruneSettle = requestTimeout + keysetSettle
)

func (a *app) keys() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", GroupID: emergencies, Short: "Manage the keys that seal secrets and sign tokens",
		Long: "Manage the keys that seal secrets and sign tokens, while servers run.\n\n" +
			"To replace the keyset's keys: rotate, reseal, prune. Each can be run again if it is interrupted.",
	}
	cmd.AddCommand(a.createKeys(), a.listKeys(), a.rotateKeys(), a.resealKeys(), a.pruneKeys(), a.rotateSigning())
	return cmd
}

func (a *app) createKeys() *cobra.Command {
	return &cobra.Command{
		Use: "create [FILE]", Short: "Make a keyset file; never overwrites one",
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			file := c.KeysetFile
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return errNoKeysetFile
			}
			if _, err := seal.Create(file, nil); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Made %s. Keep it as safe as the database, and apart from it.\n", file)
			return nil
		},
	}
}

func (a *app) listKeys() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keyset's keys, without the keys themselves",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			k, _, err := readKeyset(c)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KEY\tFOR\tSTATE")
			use := map[seal.Purpose]string{seal.PurposeAEAD: "sealing", seal.PurposeMAC: "MAC"}
			state := map[seal.Purpose]string{seal.PurposeAEAD: "old", seal.PurposeMAC: "old"} // of those before the primary key
			for _, key := range k.Keys() {
				now := state[key.Purpose]
				if key.Primary {
					now, state[key.Purpose] = "in use", "not yet in use"
				}
				if key.Status != "Enabled" {
					now = key.Status
				}
				fmt.Fprintf(w, "%d\t%s\t%s\n", key.ID, use[key.Purpose], now)
			}
			return w.Flush()
		},
	}
}

var errNoKeysetFile = errors.New("the keyset comes from ROSTER_KEYSET: to change it, put its text into a file, set ROSTER_KEYSET_FILE in place of it, and hand the new text on")

// editKeyset calls fn with the configured keyset and the file it is in, while
// no other command changes it.
func (a *app) editKeyset(ctx context.Context, fn func(k *seal.Keyset, file string) error) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	if c.KeysetFile == "" {
		return errNoKeysetFile
	}
	unlock, err := seal.Lock(ctx, c.KeysetFile)
	if err != nil {
		return err
	}
	defer unlock()
	k, _, err := seal.Load(c.KeysetFile, nil)
	if err != nil {
		return err
	}
	return fn(k, c.KeysetFile)
}

// saveKeyset puts a changed keyset into its file. Its event comes first: what the
// audit trail cannot tell of is not done.
func (a *app) saveKeyset(ctx context.Context, k *seal.Keyset, file, what string) error {
	if err := a.withRegistry(ctx, false, func(reg *registry.Registry) error { return reg.RecordKeyset(ctx, what) }); err != nil {
		return fmt.Errorf("recording that the keyset is %s: %w", what, err)
	}
	return k.Save(file)
}

func (a *app) rotateKeys() *cobra.Command {
	settle, addOnly := duration(keysetSettle), false
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make new keys and use them from now on",
		Long: "Add new keys to the keyset file, wait until every server has read it, and put them to use.\n\n" +
			"Servers that read copies of the file, on other machines, must have the new keys before they are used:\n" +
			"run it with --add-only, hand the file out, run it again, and hand the file out again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.editKeyset(cmd.Context(), func(k *seal.Keyset, file string) error {
				var err error
				if k.Pending() {
					fmt.Fprintln(a.stderr, "There are new keys that are not in use yet: going on with them.")
				} else if k, err = k.Add(); err != nil {
					return err
				} else if err := a.saveKeyset(cmd.Context(), k, file, "extended"); err != nil {
					return err
				}
				if addOnly {
					fmt.Fprintf(a.stdout, "Added new keys to %s. When every server has it, run `roster keys rotate` again.\n", file)
					return nil
				}
				fmt.Fprintf(a.stderr, "Waiting %v for every server to read the new keys.\n", &settle)
				if err := pause(cmd.Context(), time.Duration(settle)); err != nil {
					return err
				}
				if k, err = k.Promote(); err != nil {
					return err
				}
				if err := a.saveKeyset(cmd.Context(), k, file, "rotated"); err != nil {
					return err
				}
				fmt.Fprintln(a.stdout, "The new keys are in use. Back up the keyset, then run `roster keys reseal`.")
				return nil
			})
		},
	}
	cmd.Flags().Var(&settle, "settle", "how long every server needs to read a changed keyset file")
	cmd.Flags().BoolVar(&addOnly, "add-only", false, "stop when the new keys are in the file")
	return cmd
}

func (a *app) resealKeys() *cobra.Command {
	return &cobra.Command{
		Use: "reseal", Short: "Renew whatever older keys have sealed",
		Long: "Seal everything that is under older keys again, in small batches while servers run,\n" +
			"and what a release from before it was sealed has left unsealed.\n\n" +
			"Where only MACs of secrets are kept (ROSTER_SECRET_MODE=hashed), a MAC is renewed when its client next uses the secret.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.editKeyset(ctx, func(*seal.Keyset, string) error {
				return a.withRegistry(ctx, false, func(reg *registry.Registry) error {
					damaged, last := 0, time.Now()
					renewed := map[string]int{}
					err := reg.Reseal(ctx, func(column string, n int) {
						renewed[column] = n
						if time.Since(last) > time.Second {
							last = time.Now()
							fmt.Fprintf(a.stderr, "%s: %d renewed\n", column, n)
						}
					}, func(err error) {
						damaged++
						fmt.Fprintln(a.stderr, err)
					})
					total := 0
					for _, n := range renewed {
						total += n
					}
					fmt.Fprintf(a.stdout, "Renewed %d values.\n", total)
					if err != nil {
						return err
					}
					if err := reg.RemovePrivateKeys(ctx, func(kind, target, member string) {
						fmt.Fprintf(a.stdout, "Removed a private key from %s of the %s %s: take it as exposed, and set a public key of another one.\n",
							member, strings.ReplaceAll(kind, "_", " "), target)
					}); err != nil {
						return err
					}
					redacted, err := reg.RedactEvents(ctx)
					if errors.Is(err, registry.ErrNotOwner) {
						fmt.Fprintf(a.stderr, "Events hold secrets that 1.0.0 wrote into them: %v.\n", err)
					} else if err != nil {
						return fmt.Errorf("redacting events: %w", err)
					}
					if redacted > 0 {
						fmt.Fprintf(a.stdout, "Redacted %d events that held secrets.\n", redacted)
					}
					stale, err := reg.CountStale(ctx)
					if err != nil {
						return err
					}
					if damaged > 0 {
						return fmt.Errorf("%d values cannot be opened: they were altered, or sealed under keys that the keyset lacks", damaged)
					}
					if stale.Sealed > 0 {
						return fmt.Errorf("%d values are still under older keys, made or held by others in the meantime: run it again", stale.Sealed)
					}
					if stale.MACs > 0 {
						fmt.Fprintf(a.stdout, "%d MACs are renewed when their secrets are used.\n", stale.MACs)
					}
					return nil
				})
			})
		},
	}
}

func (a *app) pruneKeys() *cobra.Command {
	settle := duration(pruneSettle)
	cmd := &cobra.Command{
		Use: "prune", Short: "Drop keys that nothing needs any more",
		Long: "Drop the keys older than those in use, if nothing in the database is under them.\n\n" +
			"Restoring an older backup of the database takes the keyset of its time: keep that with the backup.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.editKeyset(ctx, func(k *seal.Keyset, file string) error {
				if k.Pending() {
					return fmt.Errorf("a rotation was interrupted: run `roster keys rotate` first")
				}
				ids, macs := k.Superseded(seal.PurposeAEAD), k.Superseded(seal.PurposeMAC)
				if len(ids)+len(macs) == 0 {
					fmt.Fprintln(a.stdout, "There are no older keys.")
					return nil
				}
				info, err := os.Stat(file)
				if err != nil {
					return err
				}
				if wait := time.Duration(settle) - time.Since(info.ModTime()); wait > 0 {
					fmt.Fprintf(a.stderr, "Waiting %v for requests that began under the older keys.\n", wait.Round(time.Second))
					if err := pause(ctx, wait); err != nil {
						return err
					}
				}
				return a.withRegistry(ctx, false, func(reg *registry.Registry) error {
					stale, err := reg.CountStale(ctx)
					if err != nil {
						return err
					}
					if stale.Sealed > 0 {
						return fmt.Errorf("%d values are still under older keys: run `roster keys reseal`", stale.Sealed)
					}
					if stale.MACs == 0 {
						ids = append(ids, macs...)
					} else {
						fmt.Fprintf(a.stdout, "The older MAC keys stay: %d secrets have not been used since the rotation. Rotate them, or wait.\n", stale.MACs)
					}
					if k, err = k.Prune(ids...); err != nil {
						return err
					}
					if err := reg.RecordKeyset(ctx, "pruned"); err != nil {
						return err
					}
					if err := k.Save(file); err != nil {
						return err
					}
					fmt.Fprintf(a.stdout, "Dropped %d keys.\n", len(ids))
					return nil
				})
			})
		},
	}
	cmd.Flags().Var(&settle, "settle", "how long after the keyset file has changed nobody uses the keys of before")
	return cmd
}

func (a *app) rotateSigning() *cobra.Command {
	var compromised bool
	cmd := &cobra.Command{
		Use: "rotate-signing", Short: "Make a new key for signing tokens",
		Long: "Make a new key for signing tokens. It is published at once and signs some minutes later.\n" +
			"Tokens of the key before are accepted for 31 days.\n\n" +
			"--compromised: it signs at once, and every older key is deleted. All tokens issued so far end within a minute.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRegistry(cmd.Context(), false, func(reg *registry.Registry) error {
				kid, begins, err := reg.RotateTokenKey(cmd.Context(), compromised)
				if err == nil {
					fmt.Fprintf(a.stdout, "The key %s signs from %s on.\n", kid, begins.Format(time.RFC3339))
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "give up the older keys and every token they signed")
	return cmd
}

// pause returns after d, or earlier with the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
