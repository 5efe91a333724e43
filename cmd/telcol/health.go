package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func healthCommand(e *env) *cobra.Command {
	var addr string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "health --http ADDR",
		Short: "Ask a worker whether it is ready",
		Long: `Ask a worker on this host whether it holds its slot and receives; exit with 0 when it does. Made for
health checks of containers that hold nothing but telcol.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := net.SplitHostPort(addr); err != nil {
				return usagef("--http %q is not address:port", addr)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			return askReady(ctx, addr, e.stdout)
		},
	}
	cmd.Flags().Var((*addrValue)(&addr), "http", "the worker's --http, for example 127.0.0.1:8080")
	cmd.Flags().DurationVar(&patience, "timeout", 2*time.Second, "how long to wait for the answer")
	return cmd
}

// addrValue is address and port as text.
type addrValue string

func (v *addrValue) Set(text string) error { *v = addrValue(text); return nil }
func (v *addrValue) String() string        { return string(*v) }
func (v *addrValue) Type() string          { return "ADDR" }

// askReady asks /readyz and copies the answer.
func askReady(ctx context.Context, addr string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return fmt.Errorf("no worker answers at %s: %w", addr, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("worker at %s: %w", addr, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("worker at %s is not ready: %s", addr, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "))
	}
	_, err = w.Write(text)
	return err
}
