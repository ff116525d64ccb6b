/* The event rule of bfrb in C99: from the probabilities of one window after the other to events.

   The same operations in the same order as bfrb.stream.events.EventDecider, so the same events to the last bit, where the
   compiler keeps to IEEE double precision (gcc, clang: -ffp-contract=off). No allocation, no globals; needs math.h for expm1.

       bfrb_rule rule = {.step_s = 1, .smoothing_s = 2, .on = .6, .off = .4, .merge_s = 3, .minimum_s = 2, .targets = 8};
       bfrb_decider decider;
       bfrb_event event;
       bfrb_start(&decider, &rule);
       for (every window)  if (bfrb_push(&decider, middle_s, known_s, probabilities_of_targets, after_gap, &event))  report(event);
       if (bfrb_finish(&decider, &event))  report(event);

   After a push, bfrb_ongoing says whether an event is known to be going on: an alarm can be raised then.
   Values of a rule are those of events.json in a bundle. License: Apache-2.0. */

#include <math.h>
#include <stddef.h>

#ifndef BFRB_MAX_TARGETS
#define BFRB_MAX_TARGETS 32
#endif

typedef struct {
    double step_s, smoothing_s, on, off, merge_s, minimum_s, refractory_s;
    int targets;                              /* number of target classes, at most BFRB_MAX_TARGETS */
    int knots;                                /* of the calibration; 0: probabilities stay as they are */
    const double *isotonic_from, *isotonic_to;
} bfrb_rule;

typedef struct {
    double start_s, end_s;    /* by the clock of the samples; the end is not included */
    double confidence;        /* largest smoothed probability of any target */
    double known_s;           /* when it was known that the event is going on */
    int target;               /* the most probable one: a place among the targets */
} bfrb_event;

typedef struct {
    double start_s, end_s, peak, known_s, mass[BFRB_MAX_TARGETS];
    int exists, known;
} bfrb_span;

typedef struct {
    const bfrb_rule *rule;
    double weight, smooth, last_end_s;
    int smoothing;            /* whether `smooth` holds a value */
    bfrb_span run, event;
} bfrb_decider;

void bfrb_start(bfrb_decider *d, const bfrb_rule *rule)
{
    d->rule = rule;
    d->weight = rule->smoothing_s == 0 ? 1.0 : -expm1(-rule->step_s / rule->smoothing_s);
    d->smoothing = d->run.exists = d->event.exists = 0;
    d->last_end_s = -INFINITY;
}

/* Piecewise linear between the knots, constant beyond them. */
static double calibrate(const bfrb_rule *rule, double claimed)
{
    const double *from = rule->isotonic_from, *to = rule->isotonic_to;
    int last = rule->knots - 1, k = 0;
    if (last < 0)
        return claimed;
    if (claimed <= from[0])
        return to[0];
    if (claimed >= from[last])
        return to[last];
    while (claimed >= from[k + 1])
        k++;
    return (to[k + 1] - to[k]) / (from[k + 1] - from[k]) * (claimed - from[k]) + to[k];
}

static void join(bfrb_span *span, const bfrb_span *later, int targets)
{
    if (!span->exists) {
        *span = *later;
        return;
    }
    span->end_s = later->end_s;
    if (later->peak > span->peak)
        span->peak = later->peak;
    for (int t = 0; t < targets; t++)
        span->mass[t] += later->mass[t];
    if (!span->known && later->known) {
        span->known = 1;
        span->known_s = later->known_s;
    }
}

/* The event so far, with the run that is going on if that reached the upper threshold. */
static bfrb_span in_the_making(const bfrb_decider *d)
{
    bfrb_span whole = d->event;
    if (d->run.exists && d->run.peak >= d->rule->on)
        join(&whole, &d->run, d->rule->targets);
    return whole;
}

static void end_run(bfrb_decider *d)
{
    d->event = in_the_making(d);
    d->run.exists = 0;
}

/* Whether a span is reported: long enough, and not too soon after another. A negative pause: the clock was set back. */
static int reported(const bfrb_decider *d, const bfrb_span *span, bfrb_event *out)
{
    double pause_s = span->start_s - d->last_end_s;
    int best = 0;
    if (!span->exists || !span->known || (pause_s >= 0 && pause_s < d->rule->refractory_s))
        return 0;
    for (int t = 1; t < d->rule->targets; t++)
        if (span->mass[t] > span->mass[best])
            best = t;
    *out = (bfrb_event){span->start_s, span->end_s, span->peak, span->known_s, best};
    return 1;
}

static int close_event(bfrb_decider *d, bfrb_event *out)
{
    int found = reported(d, &d->event, out);
    if (found)
        d->last_end_s = out->end_s;
    d->event.exists = 0;
    return found;
}

/* Whether an event is known to be going on, or to have just ended; its end is that so far. */
int bfrb_ongoing(const bfrb_decider *d, bfrb_event *out)
{
    bfrb_span whole = in_the_making(d);
    return reported(d, &whole, out);
}

/* The event that was still going on, at a gap or at the end of the data. */
int bfrb_finish(bfrb_decider *d, bfrb_event *out)
{
    end_run(d);
    d->smoothing = 0;
    return close_event(d, out);
}

/* One more window: its middle, the moment its samples were complete, the probability of every target class, and whether
   samples are missing before it. Returns 1 and fills `out` if an event is complete. */
int bfrb_push(bfrb_decider *d, double middle_s, double known_s, const double *probabilities, int after_gap, bfrb_event *out)
{
    const bfrb_rule *rule = d->rule;
    bfrb_span window = {middle_s - rule->step_s / 2, middle_s + rule->step_s / 2, 0, 0, {0}, 1, 0};
    double claimed = 0, target, scale;
    int found = after_gap ? bfrb_finish(d, out) : 0;

    for (int t = 0; t < rule->targets; t++)
        claimed += probabilities[t];
    target = calibrate(rule, claimed);
    scale = claimed > 0 ? target / claimed : 0;
    d->smooth = d->smoothing ? d->smooth + d->weight * (target - d->smooth) : target;
    d->smoothing = 1;

    if (d->smooth < rule->off) {
        end_run(d);
        if (d->event.exists && window.end_s - d->event.end_s > rule->merge_s)
            found |= close_event(d, out);
        return found;
    }
    if (!d->run.exists && d->event.exists && window.start_s - d->event.end_s > rule->merge_s)
        found |= close_event(d, out);
    window.peak = d->smooth;
    for (int t = 0; t < rule->targets; t++)
        window.mass[t] = probabilities[t] * scale;
    join(&d->run, &window, rule->targets);

    window = in_the_making(d);
    if (window.exists && !window.known && window.end_s - window.start_s >= rule->minimum_s) {
        d->run.known = 1;
        d->run.known_s = known_s;
    }
    return found;
}
