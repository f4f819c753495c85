package redisdb

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-dev/penstock/gateway/internal/limits"
)

// keepQuota is how long a day's counter stays readable.
const keepQuota = 8 * 24 * time.Hour

func quotaKey(tenant, day string) string { return "quota:" + tenant + ":" + day }

func rateKey(tenant string, window time.Duration) string {
	return "rate:" + tenant + ":" + strconv.FormatInt(int64(window/time.Second), 10)
}

func holdsKey(tenant string) string { return "inflight:" + tenant }

func placesKey(tenant string) string { return "queued:" + tenant }

// sums is the commands that a count reads, of which some are nil.
type sums struct {
	day  *redis.IntCmd
	rate *redis.IntCmd
	prev *redis.StringCmd
	add  *redis.IntCmd
	held *redis.IntCmd
	join *redis.IntCmd
	wait *redis.IntCmd
}

// Take implements limits.Counters in one round trip; one more for each kind of holds that seems to be at their bound, as dead ones must
// be looked for then.
func (db *DB) Take(ctx context.Context, a limits.Ask) (limits.Count, error) {
	var s sums
	db.pipeline(ctx, func(p redis.Pipeliner) {
		key := quotaKey(a.Tenant, a.Day)
		s.day = p.Incr(ctx, key)
		if a.Fresh {
			p.Expire(ctx, key, keepQuota)
		}
		if a.Window > 0 {
			key := rateKey(a.Tenant, a.Window)
			s.rate = p.HIncrBy(ctx, key, strconv.FormatInt(a.Slot, 10), 1)
			s.prev = p.HGet(ctx, key, strconv.FormatInt(a.Slot-1, 10))
		}
		hold := redis.Z{Score: float64(millis(a.Until)), Member: a.Job}
		if a.Max > 0 {
			s.add = p.ZAdd(ctx, holdsKey(a.Tenant), hold)
			s.held = p.ZCard(ctx, holdsKey(a.Tenant))
		}
		if a.Queued > 0 {
			s.join = p.ZAdd(ctx, placesKey(a.Tenant), hold)
			s.wait = p.ZCard(ctx, placesKey(a.Tenant))
		}
	})
	c, err := s.count()
	if err != nil {
		return c, err
	}
	if a.Window > 0 && c.Rate == 1 {
		db.tidyRate(ctx, a)
	}
	if a.Max > 0 && c.Held > a.Max {
		if c.Held, err = db.liveHolds(ctx, holdsKey(a.Tenant), a.Now); err != nil {
			return c, err
		}
	}
	if a.Queued > 0 && c.Queued > a.Queued {
		c.Queued, err = db.liveHolds(ctx, placesKey(a.Tenant), a.Now)
	}
	return c, err
}

// count takes the sums from the commands.
func (s *sums) count() (limits.Count, error) {
	var c limits.Count
	var err error
	if c.Day, err = s.day.Result(); err != nil {
		return c, err
	}
	if s.rate != nil {
		if c.Rate, err = s.rate.Result(); err != nil {
			return c, err
		}
		if c.Before, err = s.prev.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return c, err
		}
	}
	if c.Held, err = added(s.add, s.held); err != nil {
		return c, err
	}
	c.Queued, err = added(s.join, s.wait)
	return c, err
}

// added is a set's size after one was added. Both commands are nil where that kind is not counted, and the first where it
// is only read.
func added(add, size *redis.IntCmd) (int64, error) {
	if size == nil {
		return 0, nil
	}
	if add != nil && add.Err() != nil {
		return 0, add.Err()
	}
	return size.Result()
}

// tidyRate drops the windows that no longer count; the first request of a window does it. Its failure costs nothing
// but a field that stays until the next time.
func (db *DB) tidyRate(ctx context.Context, a limits.Ask) {
	key := rateKey(a.Tenant, a.Window)
	var names *redis.StringSliceCmd
	db.pipeline(ctx, func(p redis.Pipeliner) {
		names = p.HKeys(ctx, key)
		p.Expire(ctx, key, 2*a.Window+time.Minute)
	})
	var old []string
	for _, name := range names.Val() {
		if slot, err := strconv.ParseInt(name, 10, 64); err != nil || slot < a.Slot-1 {
			old = append(old, name)
		}
	}
	if len(old) > 0 {
		db.pipeline(ctx, func(p redis.Pipeliner) { p.HDel(ctx, key, old...) })
	}
}

// liveHolds drops the holds that ended by themselves and counts the others.
func (db *DB) liveHolds(ctx context.Context, key string, now time.Time) (int64, error) {
	var held *redis.IntCmd
	db.pipeline(ctx, func(p redis.Pipeliner) {
		p.ZRemRangeByScore(ctx, key, "-inf", "("+strconv.FormatInt(millis(now), 10))
		held = p.ZCard(ctx, key)
	})
	return held.Result()
}

// Held implements limits.Counters.
func (db *DB) Held(ctx context.Context, tenantID string, n int64) ([]string, error) {
	return db.holders(ctx, holdsKey(tenantID), n)
}

// Queued implements limits.Counters.
func (db *DB) Queued(ctx context.Context, tenantID string, n int64) ([]string, error) {
	return db.holders(ctx, placesKey(tenantID), n)
}

func (db *DB) holders(ctx context.Context, key string, n int64) ([]string, error) {
	var held *redis.StringSliceCmd
	db.pipeline(ctx, func(p redis.Pipeliner) { held = p.ZRange(ctx, key, 0, n-1) })
	return held.Result()
}

// Read implements limits.Counters.
func (db *DB) Read(ctx context.Context, a limits.Ask) (limits.Count, error) {
	var s sums
	var used, rate *redis.StringCmd
	db.pipeline(ctx, func(p redis.Pipeliner) {
		used = p.Get(ctx, quotaKey(a.Tenant, a.Day))
		if a.Window > 0 {
			key := rateKey(a.Tenant, a.Window)
			rate = p.HGet(ctx, key, strconv.FormatInt(a.Slot, 10))
			s.prev = p.HGet(ctx, key, strconv.FormatInt(a.Slot-1, 10))
		}
		if a.Max > 0 {
			s.held = p.ZCount(ctx, holdsKey(a.Tenant), strconv.FormatInt(millis(a.Now), 10), "+inf")
		}
		if a.Queued > 0 {
			s.wait = p.ZCount(ctx, placesKey(a.Tenant), strconv.FormatInt(millis(a.Now), 10), "+inf")
		}
	})
	var c limits.Count
	var err error
	if c.Day, err = used.Int64(); err != nil && !errors.Is(err, redis.Nil) {
		return c, err
	}
	if rate != nil {
		if c.Rate, err = rate.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return c, err
		}
		if c.Before, err = s.prev.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return c, err
		}
	}
	if c.Held, err = added(nil, s.held); err != nil {
		return c, err
	}
	c.Queued, err = added(nil, s.wait)
	return c, err
}

// Apply implements limits.Counters. A counter that would fall below zero, as one that ended by its age, goes back to it.
func (db *DB) Apply(ctx context.Context, changes []limits.Change) error {
	days := make([]*redis.IntCmd, len(changes))
	var all []redis.Cmder
	db.pipeline(ctx, func(p redis.Pipeliner) {
		for i, c := range changes {
			if c.Jobs != 0 {
				days[i] = p.IncrBy(ctx, quotaKey(c.Tenant, c.Day), c.Jobs)
				all = append(all, days[i])
			}
			if c.Requests != 0 {
				all = append(all, p.HIncrBy(ctx, rateKey(c.Tenant, c.Window), strconv.FormatInt(c.Slot, 10), c.Requests))
			}
			if c.Job != "" && c.Held {
				all = append(all, hold(ctx, p, holdsKey(c.Tenant), c))
			}
			if c.Job != "" && c.Queued {
				all = append(all, hold(ctx, p, placesKey(c.Tenant), c))
			}
		}
	})
	for _, cmd := range all {
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	db.raise(ctx, changes, days)
	return nil
}

// hold ends or keeps a job's hold in a set.
func hold(ctx context.Context, p redis.Pipeliner, key string, c limits.Change) redis.Cmder {
	if c.Until.IsZero() {
		return p.ZRem(ctx, key, c.Job)
	}
	return p.ZAdd(ctx, key, redis.Z{Score: float64(millis(c.Until)), Member: c.Job})
}

// raise mends the counters that the changes made: those below zero, and those that have no end yet.
func (db *DB) raise(ctx context.Context, changes []limits.Change, days []*redis.IntCmd) {
	var fill []func(p redis.Pipeliner)
	for i, cmd := range days {
		if cmd == nil {
			continue
		}
		key, sum := quotaKey(changes[i].Tenant, changes[i].Day), cmd.Val()
		if sum < 0 {
			over := min(-sum, -changes[i].Jobs) // what this one took below zero; others mend their own part
			fill = append(fill, func(p redis.Pipeliner) { p.IncrBy(ctx, key, over) })
		}
		if sum <= changes[i].Jobs || sum < 0 { // it may have been made by this
			fill = append(fill, func(p redis.Pipeliner) { p.Expire(ctx, key, keepQuota) })
		}
	}
	if len(fill) > 0 {
		db.pipeline(ctx, func(p redis.Pipeliner) {
			for _, f := range fill {
				f(p)
			}
		})
	}
}
