// Command example-service stores notes: `serve` serves, `migrate` migrates the schema.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example.org/example-service/internal/server"
	"example.org/example-service/internal/settings"
	"example.org/example-service/migrations"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	command := "serve"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	if err := run(ctx, command); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", settings.Service, command, strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

func run(ctx context.Context, command string) error {
	switch command {
	case "serve":
		slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: fieldNames})))
		read, err := settings.Read(os.Getenv)
		if err != nil {
			return err
		}
		return server.Serve(ctx, read)
	case "migrate":
		return migrate(ctx)
	default:
		return errors.New("unknown command; use serve or migrate")
	}
}

func migrate(ctx context.Context) error {
	url, err := settings.DatabaseURL(os.Getenv)
	if err != nil {
		return err
	}
	applied, err := migrations.Apply(ctx, url, migrations.Packaged)
	for _, name := range applied {
		fmt.Println("applied", name)
	}
	if err == nil {
		fmt.Println("the schema is up to date")
	}
	return err
}

// fieldNames renames the standard fields of log lines to the names that services in other languages use.
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
