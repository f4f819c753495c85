// Package fair decides which jobs a worker asks for next, so that tenants get equal shares, or shares by their weights,
// and which lane the gateway puts a job on. It is pure: no goroutines, no clock of its own, no locks, no broker; the
// caller says what time it is. The worker runs it, and loadtest/sim runs the same code in simulated time.
//
// # Lanes
//
// A tenant with few unfinished jobs of a model shares the express lane of the job's class with everybody else; what it
// has beyond a bound ([Bound]) waits in a backlog lane of its own. [LaneFor] is that rule, and the one that keeps a
// tenant's jobs in order: while it has a backlog, everything goes there. [Hinter] is how a gateway tells workers of
// backlogs without a message for each job.
//
// # A worker's scheduler
//
// One [Sched] serves one worker and one model. It hears deliveries, ends, credit that came back, and hints; [Sched.Plan]
// says what to ask for. Credit is of two kinds. Credit that waits is parked at the broker until a job comes; one of it
// stands at each idle express lane, so that a job there is heard of at once. Credit that does not wait comes back at
// once when nothing is there. The second kind and what runs never exceed the slots together; of the first kind, one at
// each lane is not counted.
//
// Without any backlog this is what a worker without fairness would do: all free slots are credit at the express lanes,
// and quick jobs are asked for several at a time. Some of the credit waits at backlogs that were served a moment ago and are
// empty for now. A backlog that holds jobs makes a class contended:
//
//   - Each backlog has a virtual time: the run time that its jobs took, over its weight. The least goes first. This is
//     deficit round robin without rounds. A job is charged as an estimate when it is handed over, by an average of the
//     tenant's jobs before, and put right when it ends.
//   - Express goes first while it hands out jobs of tenants that had no more than their share here. A job of a tenant
//     beyond its share charges the lane, divided by the weights of all tenants that wait in it, which is estimated from
//     recent deliveries. So tenants that always fill the bound get what each backlogged tenant gets, and many tenants
//     with little work don't wait, however many they are.
//   - More backlogs than may have a consumer at once are served in a rotation. All tenants lie on a ring, by a hash of
//     their names, each with an arc as long as its weight, and the ring is cut into parts that have their turns. The time of
//     day alone says which part's it is, so that workers agree without talking and the whole fleet has no more consumers
//     than a part has tenants; parts are halved when there are too many, and of two workers that disagree whether to, the
//     one's part lies within the other's. What a tenant gets is in proportion to how much of it the part covers, so over one
//     round it is exactly in proportion to its weight, whatever the company.
//   - Of a backlog that was heard of by a hint nobody knows how many other workers have emptied it since. So many are asked
//     in a second, and one more for each job that came from one: a fleet that idles does not drown the broker.
//   - When a worker is full and its slots come free slowly, credit that stands at express lanes is withdrawn, so that no
//     job is bound to a worker that has no room for it. A free slot then asks the express lanes first, without waiting.
//
// # Classes
//
// The most urgent class with work goes first. A lower class has a floor: standard a fifth and batch a twentieth of the
// run time while more urgent work never ends. A class that had more than its floor lately is in debt, of at most a
// second's worth of its floor, so a short burst of interactive jobs is not held up at all.
package fair
