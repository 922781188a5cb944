package main

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/driftpin/driftpin/images/report"
	"github.com/spf13/cobra"
)

// schemas describe what commands print as JSON (JSON Schema, 2020-12).
//
//go:embed schemas/*.json
var schemas embed.FS

func schemaCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [COMMAND]",
		Short: "Print the JSON schema of what a command prints with --format json",
		Long: `Print the JSON schema (2020-12) of what a command prints with --format json. Without a
COMMAND, the commands are listed that have one.`,
		Example: `  driftpin schema
  driftpin schema build > build.schema.json`,
		Args:      arguments(0, 1, "a command"),
		ValidArgs: schemaNames(),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprintln(s.out, strings.Join(schemaNames(), "\n"))
				return err
			}
			data, err := schemaOf(args[0])
			if err != nil {
				return usageError{err}
			}
			_, err = s.out.Write(data)
			return err
		},
	}
}

// schemaNames are the commands that have a schema.
func schemaNames() []string {
	names := []string{"drift"}
	files, err := schemas.ReadDir("schemas")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(path.Base(f.Name()), ".schema.json"))
	}
	return names
}

// schemaOf is the schema of a command.
func schemaOf(command string) ([]byte, error) {
	if command == "drift" {
		return report.Schema, nil
	}
	data, err := schemas.ReadFile("schemas/" + command + ".schema.json")
	if err != nil {
		return nil, fmt.Errorf("%s has no schema: choose one of %s", command, strings.Join(schemaNames(), ", "))
	}
	return data, nil
}
