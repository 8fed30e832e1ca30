package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// progress returns a bar for so many steps, -1 if nobody knows how many. It
// shows where stderr is a terminal. Finish it before anything else is written.
func (a *app) progress(steps int, doing string) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetVisibility(terminal(a.stderr) && !a.quiet),
		progressbar.OptionSetDescription(doing), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(true),
	)
}

// confirm asks at the terminal, unless --yes answers. It is a usage error where
// nobody can be asked.
func (a *app) confirm(cmd *cobra.Command, question string) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	if !terminal(cmd.InOrStdin()) {
		return errNoTerminal
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		if answer == "y" || answer == "yes" {
			return nil
		}
	case <-cmd.Context().Done():
		fmt.Fprintln(a.stderr)
	}
	return errors.New("nothing was done")
}
