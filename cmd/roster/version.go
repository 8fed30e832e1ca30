package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version and commit are set by the build. A program that `go install` has made
// knows both from its module.
var version, commit string

// programVersion is the version of this program.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return "0.0.0-dev"
}

// programCommit is the commit it was built from; "" where nothing tells.
func programCommit() string {
	if commit != "" {
		return commit
	}
	var revision, dirty string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "-dirty"
			}
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

// versionLine is what --version prints.
func versionLine() string {
	built := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	if c := programCommit(); c != "" {
		built = "commit " + c + ", " + built
	}
	return fmt.Sprintf("roster %s (%s)\n", programVersion(), built)
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the commit and the Go version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.stdout, versionLine())
			return err
		},
	}
}
