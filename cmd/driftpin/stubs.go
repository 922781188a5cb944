package main

import "github.com/spf13/cobra"

func driftCommand(s streams) *cobra.Command     { return &cobra.Command{Use: "drift"} }
func inventoryCommand(s streams) *cobra.Command { return &cobra.Command{Use: "inventory"} }
func verifyCommand(s streams) *cobra.Command    { return &cobra.Command{Use: "verify"} }
func whyCommand(s streams) *cobra.Command       { return &cobra.Command{Use: "why"} }
func doctorCommand(s streams) *cobra.Command    { return &cobra.Command{Use: "doctor"} }
func versionCommand(s streams) *cobra.Command   { return &cobra.Command{Use: "version"} }
