package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

// Exit codes of the subcommands.
const (
	exitOK     = 0
	exitFailed = 1 // it was asked well and could not be done
	exitUsage  = 2 // it was asked badly
)

const adminUsage = `Tenants, keys and tokens, on the Redis of the gateway (PENSTOCK_REDIS_URL, or PENSTOCK_DATA_DIR's own).

  gateway tenant create ID [flags]      gateway key create TENANT [-name N] [-scopes S] [-expires 720h]
  gateway tenant show ID                gateway key list TENANT
  gateway tenant list                   gateway key delete TENANT KEY
  gateway tenant set ID flags           gateway token create TENANT [-scopes S] [-subject N] [-expires-in 1h]
  gateway tenant disable|enable ID
  gateway tenant delete ID

Flags of tenant create and set:
  -scopes "ner re"     tasks, model:NAME, protocols, jobs, console, admin, or *
  -quota 1000          jobs a day; 0 for no bound
  -rate 60/1m          requests in a sliding window; none takes it away
  -max-in-flight 10    jobs at once; 0 for no bound
  -max-queued 100      -max-input-tokens 4096     -weight 1     -plan NAME
  -ip-allow 10.0.0.0/8,192.0.2.7     -time-zone Europe/Berlin     -console
All take -json for machine-readable output. Changes hold on every gateway within a second.
`

// adminEnv is what the subcommands need of the gateway's configuration.
type adminEnv struct {
	RedisURL string // of the external server; empty for the embedded one
	DataDir  string
	RedisDir string // of the embedded one's data set
	KeyDir   string // of the signing keys
	Issuer   string
	Audience string
}

// isAdmin tells whether the arguments after the program's name are a subcommand of runAdmin.
func isAdmin(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"tenant", "key", "token"}, args[0])
}

// usageError says that the command was asked badly; its text says how.
type usageError string

func (e usageError) Error() string { return string(e) }

// runAdmin runs one subcommand and gives the process's exit code.
func runAdmin(ctx context.Context, args []string, env adminEnv, stdout, stderr io.Writer) int {
	err := admin(ctx, args, env, stdout, stderr)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, adminUsage)
		return exitOK
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "gateway: %s\n\n%s", usage, adminUsage)
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "gateway: %s\n", sentence(err))
	if c := fault.CodeOf(err); c == fault.InvalidInput || c == fault.BadRequest {
		return exitUsage
	}
	return exitFailed
}

// sentence is what an operator reads of an error: a fault's field and sentence, and its cause.
func sentence(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err.Error()
	}
	s := f.Detail
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Cause != nil {
		s += " (" + f.Cause.Error() + ")"
	}
	return s
}

// command is one subcommand.
type command struct {
	names []string // of its positional arguments
	flags func(*flag.FlagSet)
	run   func(ctx context.Context, c *cli, pos []string) error
}

// cli is one run of a subcommand.
type cli struct {
	env   adminEnv
	db    *redisdb.DB
	admin *tenant.Admin
	flags *flag.FlagSet
	json  bool
	out   io.Writer
}

func commands() map[string]command {
	one := []string{"ID"}
	return map[string]command{
		"tenant create":  {one, tenantFlags, createTenant},
		"tenant set":     {one, tenantFlags, setTenant},
		"tenant show":    {one, nil, showTenant},
		"tenant list":    {nil, nil, listTenants},
		"tenant disable": {one, nil, func(ctx context.Context, c *cli, pos []string) error { return c.enable(ctx, pos[0], false) }},
		"tenant enable":  {one, nil, func(ctx context.Context, c *cli, pos []string) error { return c.enable(ctx, pos[0], true) }},
		"tenant delete":  {one, nil, deleteTenant},
		"key create":     {[]string{"TENANT"}, keyFlags, createKey},
		"key list":       {[]string{"TENANT"}, nil, listKeys},
		"key delete":     {[]string{"TENANT", "KEY"}, nil, deleteKey},
		"token create":   {[]string{"TENANT"}, tokenFlags, createToken},
	}
}

func admin(ctx context.Context, args []string, env adminEnv, stdout, stderr io.Writer) (err error) {
	if len(args) == 0 || slices.Contains([]string{"-h", "-help", "--help", "help"}, args[len(args)-1]) {
		return flag.ErrHelp
	}
	if len(args) < 2 {
		return usageError("what shall be done with a " + args[0] + "?")
	}
	name := args[0] + " " + args[1]
	cmd, ok := commands()[name]
	if !ok {
		return usageError("there is no command " + strconv.Quote(name))
	}
	c := &cli{env: env, out: stdout, flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	c.flags.SetOutput(io.Discard)
	c.flags.BoolVar(&c.json, "json", false, "")
	if cmd.flags != nil {
		cmd.flags(c.flags)
	}
	pos, err := positional(c.flags, args[2:])
	if err != nil {
		return err
	}
	if len(pos) != len(cmd.names) {
		return usageError(name + " needs " + strings.Join(append(slices.Clone(cmd.names), "and no more"), ", "))
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, closing, err := redisdb.OpenLike(ctx, env.RedisURL, env.DataDir, env.RedisDir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	c.db, c.admin = db, tenant.NewAdmin(db, nil)
	return cmd.run(ctx, c, pos)
}

// positional parses flags that may stand before, between and after the other arguments.
func positional(fs *flag.FlagSet, args []string) (pos []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError(err.Error())
		}
		if fs.NArg() == 0 {
			return pos, nil
		}
		pos, args = append(pos, fs.Arg(0)), fs.Args()[1:]
	}
}

// tenantFlags declares the flags that patchOf reads.
func tenantFlags(fs *flag.FlagSet) {
	fs.String("scopes", "", "")
	fs.Int64("quota", 0, "")
	fs.String("rate", "", "")
	fs.Int64("max-in-flight", 0, "")
	fs.Int64("max-queued", 0, "")
	fs.Int64("max-input-tokens", 0, "")
	fs.Int64("weight", 1, "")
	fs.String("plan", "", "")
	fs.String("ip-allow", "", "")
	fs.String("time-zone", "", "")
	fs.Bool("console", false, "")
}

// patchOf gives the members of a tenant's JSON that the flags name.
func patchOf(fs *flag.FlagSet) (patch map[string]any, err error) {
	patch = map[string]any{}
	fs.Visit(func(f *flag.Flag) {
		value := f.Value.(flag.Getter).Get() //nolint:forcetypeassert,errcheck // all of package flag's are
		switch f.Name {
		case "json":
		case "scopes":
			patch["scopes"] = tenant.SplitScopes(f.Value.String())
		case "quota":
			patch["daily_quota"] = value
		case "ip-allow":
			patch["ip_allow"] = tenant.SplitScopes(f.Value.String())
		case "rate":
			var rate *tenant.Rate
			if rate, err = parseRate(f.Value.String()); err == nil {
				patch["rate"] = rate
			}
		default:
			patch[strings.ReplaceAll(f.Name, "-", "_")] = value
		}
	})
	return patch, err
}

// parseRate reads 60/1m; "none" and "" are nil.
func parseRate(text string) (*tenant.Rate, error) {
	if text == "" || text == "none" {
		return nil, nil //nolint:nilnil // no rate, no error
	}
	limit, window, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(limit, 10, 64)
	if !ok || err != nil {
		return nil, usageError(`-rate is written "60/1m": so many requests, in so long a window`)
	}
	return &tenant.Rate{Limit: n, Window: window}, nil
}

func createTenant(ctx context.Context, c *cli, pos []string) error {
	patch, err := patchOf(c.flags)
	if err != nil {
		return err
	}
	patch["id"] = pos[0]
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	t, err := c.admin.Create(ctx, body)
	if err != nil {
		return err
	}
	return c.showTenant(t)
}

func setTenant(ctx context.Context, c *cli, pos []string) error {
	patch, err := patchOf(c.flags)
	if err != nil {
		return err
	}
	if len(patch) == 0 {
		return usageError("tenant set needs a flag that says what to change")
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	t, err := c.admin.Update(ctx, pos[0], body)
	if err != nil {
		return err
	}
	return c.showTenant(t)
}

func (c *cli) enable(ctx context.Context, id string, on bool) error {
	t, err := c.admin.SetEnabled(ctx, id, on)
	if err != nil {
		return err
	}
	return c.showTenant(t)
}

func showTenant(ctx context.Context, c *cli, pos []string) error {
	t, err := c.admin.Get(ctx, pos[0])
	if err != nil {
		return err
	}
	return c.showTenant(t)
}

func listTenants(ctx context.Context, c *cli, _ []string) error {
	all, err := every(func(cursor string) (tenant.List[tenant.Tenant], error) {
		return c.admin.List(ctx, cursor, tenant.MaxPage)
	})
	if err != nil || c.json {
		return c.print(all, err)
	}
	return c.table("ID\tENABLED\tQUOTA\tRATE\tSCOPES", func(w io.Writer) {
		for _, t := range all {
			_, _ = fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\n", t.ID, t.Enabled, bound(t.DailyQuota), rateText(t.Rate),
				strings.Join(t.Scopes, " "))
		}
	})
}

func deleteTenant(ctx context.Context, c *cli, pos []string) error {
	if err := c.admin.Delete(ctx, pos[0]); err != nil {
		return err
	}
	return c.say(map[string]string{"deleted": pos[0]}, "tenant %s and its keys are deleted\n", pos[0])
}

func keyFlags(fs *flag.FlagSet) {
	fs.String("name", "", "")
	fs.String("scopes", "", "")
	fs.Duration("expires", 0, "")
}

func createKey(ctx context.Context, c *cli, pos []string) error {
	k := tenant.Key{Name: c.text("name"), Scopes: tenant.SplitScopes(c.text("scopes"))}
	if d := c.duration("expires"); d != 0 {
		at := time.Now().Add(d).UTC().Truncate(time.Second)
		k.ExpiresAt = &at
	}
	made, err := c.admin.NewKey(ctx, pos[0], k)
	if err != nil {
		return err
	}
	return c.say(made, "%s\nkey %s of tenant %s; its text is shown this once\n", made.Secret, made.ID, pos[0])
}

func listKeys(ctx context.Context, c *cli, pos []string) error {
	all, err := every(func(cursor string) (tenant.List[tenant.Key], error) {
		return c.admin.ListKeys(ctx, pos[0], cursor, tenant.MaxPage)
	})
	if err != nil || c.json {
		return c.print(all, err)
	}
	return c.table("ID\tNAME\tCREATED\tEXPIRES\tSCOPES", func(w io.Writer) {
		for _, k := range all {
			expires := "never"
			if k.ExpiresAt != nil {
				expires = k.ExpiresAt.Format(time.RFC3339)
			}
			scopes := strings.Join(k.Scopes, " ")
			if scopes == "" {
				scopes = "(the tenant's)"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.CreatedAt.Format(time.RFC3339), expires, scopes)
		}
	})
}

func deleteKey(ctx context.Context, c *cli, pos []string) error {
	if err := c.admin.DeleteKey(ctx, pos[0], pos[1]); err != nil {
		return err
	}
	return c.say(map[string]string{"deleted": pos[1]}, "key %s is deleted\n", pos[1])
}

func tokenFlags(fs *flag.FlagSet) {
	fs.String("scopes", "", "")
	fs.String("subject", "operator", "")
	fs.Duration("expires-in", auth.DefaultTokenTTL, "")
}

// createToken signs a token with the gateway's own key, whose file it must be able to read.
func createToken(ctx context.Context, c *cli, pos []string) error {
	t, err := c.admin.Get(ctx, pos[0])
	if err != nil {
		return err
	}
	keys, err := auth.OpenKeyring(c.env.KeyDir, false)
	if err != nil {
		return err
	}
	s, err := auth.New(auth.Config{Keys: keys, Issuer: c.env.Issuer, Audience: c.env.Audience}, nil, c.db)
	if err != nil {
		return err
	}
	scopes := tenant.SplitScopes(c.text("scopes"))
	if len(scopes) == 0 {
		scopes = t.Scopes
	}
	if err := tenant.CheckScopes("scopes", scopes); err != nil {
		return err
	}
	for _, want := range scopes {
		if !tenant.Covers(t.Scopes, want) {
			return fault.New(fault.ScopeMissing, "the tenant has no scope %q to give", want)
		}
	}
	ttl := c.duration("expires-in")
	if ttl < time.Second || ttl > 366*24*time.Hour {
		return usageError("-expires-in must be from 1s to 366 days")
	}
	token, err := s.Mint(t.ID, c.text("subject"), scopes, ttl)
	if err != nil {
		return err
	}
	return c.say(tenant.TokenPair{
		AccessToken: token, TokenType: "Bearer", ExpiresIn: int64(ttl.Seconds()), Scope: strings.Join(scopes, " "),
	}, "%s\n", token)
}

// every collects all pages of a list.
func every[T any](page func(cursor string) (tenant.List[T], error)) ([]T, error) {
	all := []T{}
	for cursor := ""; ; {
		p, err := page(cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Data...)
		if p.Next == nil {
			return all, nil
		}
		cursor = *p.Next
	}
}

func (c *cli) text(name string) string { return c.flags.Lookup(name).Value.String() }

func (c *cli) duration(name string) time.Duration {
	d, _ := c.flags.Lookup(name).Value.(flag.Getter).Get().(time.Duration)
	return d
}

func (c *cli) showTenant(t tenant.Tenant) error {
	if c.json {
		return c.print(t, nil)
	}
	return c.table("", func(w io.Writer) {
		for _, row := range [][2]string{
			{"id", t.ID},
			{"enabled", strconv.FormatBool(t.Enabled)},
			{"scopes", strings.Join(t.Scopes, " ")},
			{"daily quota", bound(t.DailyQuota)},
			{"rate", rateText(t.Rate)},
			{"max in flight", bound(t.MaxInFlight)},
			{"max queued", bound(t.MaxQueued)},
			{"max input tokens", bound(t.MaxInputTokens)},
			{"weight", strconv.Itoa(t.Weight)},
			{"plan", t.Plan},
			{"addresses", strings.Join(t.IPAllow, " ")},
			{"time zone", t.Zone().String()},
			{"console", strconv.FormatBool(t.Console)},
		} {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	})
}

func bound(n int64) string {
	if n == 0 {
		return "no bound"
	}
	return strconv.FormatInt(n, 10)
}

func rateText(r *tenant.Rate) string {
	if r == nil {
		return "no bound"
	}
	return strconv.FormatInt(r.Limit, 10) + "/" + r.Window
}

// table writes rows in columns.
func (c *cli) table(head string, rows func(w io.Writer)) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	if head != "" {
		_, _ = fmt.Fprintln(w, head)
	}
	rows(w)
	return w.Flush()
}

// say writes v as JSON where that was asked for, and the text otherwise.
func (c *cli) say(v any, format string, args ...any) error {
	if c.json {
		return c.print(v, nil)
	}
	_, err := fmt.Fprintf(c.out, format, args...)
	return err
}

// print writes v as indented JSON, unless there is an error.
func (c *cli) print(v any, err error) error {
	if err != nil {
		return err
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// redisDir is where a gateway with this data folder keeps the embedded Redis.
func redisDir(dataDir string) string { return filepath.Join(dataDir, "redis") }
