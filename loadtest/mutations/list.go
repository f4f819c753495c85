package main

const (
	jobsTests    = "./gateway/internal/jobs"
	queueTests   = "./shared/queue"
	consumeTests = "./worker/internal/consume"
	lanesTests   = "./gateway/internal/lanes"
)

func mutations() []mutation {
	return []mutation{
		{
			promise: "a key makes one job, however many ask at once", what: "the claim's loser attaches",
			file: "gateway/internal/jobs/once.go", old: "	if !won {\n", put: "	if !won && first.JobID == \"\" {\n",
			pkg: jobsTests, tests: "TestConcurrentRepeatsMakeOneJob",
		},
		{
			promise: "another body under the same key is refused", what: "the comparison",
			file: "gateway/internal/jobs/once.go", old: "first.Fingerprint != r.Fingerprint", put: "first.Fingerprint == \"\"",
			pkg: jobsTests, tests: "TestConcurrentRepeatsMakeOneJob",
		},
		{
			promise: "a job ends once: fencing", what: "the condition on an event",
			file: "shared/queue/events.go", old: "{strconv.FormatUint(last, 10)}", put: "nil",
			pkg: consumeTests, tests: "TestAnAttemptThatLostTheJobWritesNothing|TestACancel",
		},
		{
			promise: "a ttl ends a queued job without any worker", what: "the clock's look",
			file: "gateway/internal/jobs/clock.go", old: "Start: s.launch, Expire: s.expire",
			put: "Start: s.launch, Expire: func(context.Context, string, string) error { return nil }",
			pkg: jobsTests, tests: "TestAQueuedJobExpiresWithoutAnyWorker",
		},
		{
			promise: "a job that runs does not expire", what: "the look at its status",
			file: "gateway/internal/jobs/clock.go", old: "st.Status != job.Queued && st.Status != job.Scheduled || st.Job.Before > 0", put: "st.Job.Before > 0",
			pkg: jobsTests, tests: "TestAJobThatRunsDoesNotExpire",
		},
		{
			promise: "a scheduled job is not queued before its time", what: "the wait in LATER",
			file: "gateway/internal/jobs/submit.go", old: "	if !j.NotBefore.IsZero() {\n		if err := s.queue.Schedule", put: "	if j.ID == \"\" {\n		if err := s.queue.Schedule",
			pkg: jobsTests, tests: "TestAScheduledJobIsQueuedAtItsTime",
		},
		{
			promise: "a job canceled while scheduled never runs", what: "the event before the queue",
			file: "gateway/internal/jobs/clock.go", old: "case last.Kind != job.Due && last.Kind != job.Requeued:\n			return nil", put: "case last == nil:\n			return nil",
			pkg: jobsTests, tests: "TestWhatIsDueGoesOnFromWhereItsLogStands",
		},
		{
			promise: "a worker that lives keeps its jobs: leases", what: "the renewal",
			file: "worker/internal/consume/consumer.go", old: "_ = h.d.Renew()", put: "_ = h.d",
			pkg: consumeTests, tests: "TestAJobLongerThanItsLease",
		},
		{
			promise: "a job out of attempts is a dead letter", what: "the letter",
			file: "worker/internal/consume/settle.go", old: "	if err := c.queue.Bury(ctx, queue.NewDeadLetter(h.d.Job, e)); err != nil {", put: "	if err := ctx.Err(); err != nil {",
			pkg: consumeTests, tests: "TestTheLastAttemptLeavesADeadLetter",
		},
		{
			promise: "what a dead gateway may have queued is not queued twice", what: "the condition on the job",
			file: "shared/queue/jobs.go", old: "return q.publish(ctx, j, condition)", put: "return q.publish(ctx, j, nil)",
			pkg: queueTests, tests: "TestPublishOnceStoresOneCopy",
		},
		{
			promise: "a retry by hand is not lost behind its last attempt", what: "the old message's removal",
			file: "shared/queue/jobs.go", old: "	if j.Before == 0 {\n		return nil", put: "	if j.Before >= 0 {\n		return nil",
			pkg: queueTests, tests: "TestARetryIsNotTakenForItsLastAttempt",
		},
		{
			promise: "nor on another lane", what: "that the condition is on any subject of the job",
			file: "shared/queue/jobs.go", old: "[]string{anyJobSubject(j.Tenant, j.ID)}", put: "[]string{jobSubject(j)}",
			pkg: queueTests, tests: "TestPublishOnceStoresOneCopy",
		},
		{
			promise: "an old message of a retried job spends none of its attempts", what: "the look at which life it is of",
			file: "shared/job/event.go", old: "e.Kind == End || e.Before > j.Before", put: "e.Kind == End",
			pkg: consumeTests, tests: "TestAnOldMessageOfARetriedJobIsDropped",
		},
		{
			promise: "fairness: what a tenant has beyond its part waits in a lane of its own", what: "the choice of the lane",
			file: "gateway/internal/lanes/lanes.go", old: "	j.Backlog = l.backlogged(k, t, now)", put: "	j.Backlog = now.IsZero()",
			pkg: lanesTests, tests: "TestWhatIsBeyondTheBoundGoesToTheBacklog",
		},
		{
			promise: "fairness: a tenant's jobs stay in order", what: "that a backlog is stayed behind",
			file: "shared/fair/gateway.go", old: "Lane(backlog > 0 || express >= bound)", put: "Lane(express >= bound)",
			pkg: lanesTests, tests: "TestWhatIsBeyondTheBoundGoesToTheBacklog",
		},
		{
			promise: "fairness: a backlog is served whoever put it there", what: "the look through the queue",
			file: "gateway/internal/lanes/run.go", old: "range found", put: "range found[:0]",
			pkg: lanesTests, tests: "TestBacklogsAreFoundAtTheStart",
		},
		{
			promise: "fairness: a backlog outlives its gateway", what: "the others' ear",
			file: "gateway/internal/lanes/run.go", old: "!t.others.IsZero() && now.Sub(t.others) >= silentAfter", put: "false",
			pkg: lanesTests, tests: "TestABacklogOfADeadGatewayIsTakenOver",
		},
		{
			promise: "fairness: equal tenants get equal shares", what: "the charge over the weight",
			file: "shared/fair/sched.go", old: "b.v += run / b.share", put: "b.v += 0 / b.share",
			pkg: "./shared/fair", tests: "TestSharesOfTwoBacklogs",
		},
		{
			promise: "fairness: a fleet that idles does not drown the broker", what: "the count of requests in vain",
			file: "shared/fair/plan.go", old: "				s.tries--\n", put: "				s.tries -= 0\n",
			pkg: "./shared/fair", tests: "TestFewBacklogsAreAskedInVain",
		},
		{
			promise: "a tenant has no more in the queue than max_queued", what: "the refusal",
			file: "gateway/internal/limits/limiter.go", old: "m > 0 && c.Queued > m && refusal == nil", put: "m > 0 && c.Queued > 10*m && refusal == nil",
			pkg: "./gateway/internal/limits", tests: "TestPlacesAreExactOverGateways",
		},
		{
			promise: "a plan caps the priority", what: "the comparison",
			file: "gateway/internal/jobs/plan.go", old: "bounded && c.Above(top)", put: "bounded && c == \"\"",
			pkg: jobsTests, tests: "TestAPlanCapsThePriority",
		},
		{
			promise: "a blob is its tenant's alone", what: "the tenant in its name",
			file: "shared/queue/blobs.go", old: "return tenant + \"/\" + ref", put: "return ref",
			pkg: queueTests, tests: "TestABlobIsItsTenantsAlone",
		},
		{
			promise: "a broken upload leaves nothing", what: "the clean-up",
			file: "shared/queue/blobs.go", old: "b.purge(ctx, info); err != nil {\n		b.q.log", put: "ctx.Err(); err != nil {\n		b.q.log",
			pkg: queueTests, tests: "TestABrokenUploadLeavesNothing",
		},
		{
			promise: "a reference is the tenant's own, or the job is refused", what: "the look at the submit",
			file: "gateway/internal/jobs/submit.go", old: "s.checkRefs(ctx, p.Tenant.ID, &r)", put: "ctx.Err()",
			pkg: jobsTests, tests: "TestReferencesAreCheckedBeforeAnythingIsCounted",
		},
	}
}
