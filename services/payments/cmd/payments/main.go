// Command payments is the payments service of the shop: `payments` serves, `payments migrate` migrates the schema.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/server"
	"freehold.dev/shop/payments/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	command := "serve"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	if err := run(ctx, command); err != nil {
		fmt.Fprintf(os.Stderr, "payments %s: %s\n", command, strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func run(ctx context.Context, command string) error {
	switch command {
	case "serve":
		slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: fieldNames})))
		return serve(ctx)
	case "migrate":
		return migrate(ctx)
	default:
		return fmt.Errorf("unknown command; use serve or migrate")
	}
}

func serve(ctx context.Context) error {
	settings, err := config.Read(os.Getenv)
	if err != nil {
		return err
	}
	return server.Serve(ctx, settings)
}

func migrate(ctx context.Context) error {
	url, err := config.DatabaseURL(os.Getenv)
	if err != nil {
		return err
	}
	applied, err := store.Migrate(ctx, url, store.Packaged())
	for _, name := range applied {
		fmt.Println("applied", name)
	}
	if err != nil {
		return err
	}
	fmt.Println("the schema is up to date")
	return nil
}

// fieldNames renames the standard fields of log lines to the names that all services of the shop use.
func fieldNames(groups []string, field slog.Attr) slog.Attr {
	switch {
	case len(groups) > 0:
	case field.Key == slog.MessageKey:
		field.Key = "message"
	case field.Key == slog.LevelKey:
		field.Value = slog.StringValue(strings.ToLower(field.Value.String()))
	}
	return field
}
