package host

import "os"

func readFirst(files ...string) []byte {
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil {
			return data
		}
	}
	return nil
}

func homeDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "/nonexistent"
	}
	return home
}

func configHome() string {
	if dir, err := os.UserConfigDir(); err == nil {
		return dir
	}
	return "/nonexistent"
}

func firstEnv(keys ...string) string {
	for _, k := range keys {
		if v := os.Getenv(k); v != "" {
			return v
		}
	}
	return ""
}
