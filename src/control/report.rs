//! What the house tells, as JSON. Times are in microseconds, sizes in bytes.

use serde_json::{Map, Value as Json, json};

use crate::arp::Entry;
use crate::link::Link;
use crate::link::impair::{Impair, Tally};
use crate::serve::vitals::Snapshot;
use crate::stack::ConnId;
use crate::tcp::info::{self, ConnectionInfo};
use crate::time::{Duration, Instant};

pub(super) fn population(vitals: &Snapshot<'_>) -> Json {
    let gauges = vitals.gauges().into_iter().map(|(name, _, value)| (name.to_owned(), json!(value)));
    Json::Object(gauges.collect())
}

pub(super) fn connection(id: ConnId, report: &ConnectionInfo) -> Json {
    let ConnectionInfo {
        flow,
        state,
        is_active,
        is_at_rest,
        age,
        idle,
        snd_una,
        snd_nxt,
        snd_wnd,
        snd_shift,
        mss,
        path_mtu,
        unsent,
        send_buffer,
        flight,
        rcv_nxt,
        rcv_wnd,
        rcv_shift,
        unread,
        receive_buffer,
        memory,
        bytes_received,
        rtt,
        rto,
        min_rtt,
        congestion_control,
        cwnd,
        ssthresh,
        pipe,
        sacked,
        lost,
        pacing_rate,
        has_seen_reordering,
        uses_sack,
        uses_timestamps,
        uses_ecn,
        is_recovering,
        timers,
        tally,
    } = report;
    let mut told = json!({
        "id": id.to_string(),
        "remote": flow.remote().to_string(),
        "local_port": flow.local_port,
        "state": state.name(),
        "at_rest": is_at_rest,
        "opened_by": if *is_active { "us" } else { "peer" },
        "age_us": micros(*age),
        "idle_us": micros(*idle),
        "send": {
            "una": snd_una, "nxt": snd_nxt, "window": snd_wnd, "window_shift": snd_shift, "mss": mss,
            "path_mtu": path_mtu, "buffer": send_buffer,
            "in_flight": flight, "unsent": unsent, "in_network": pipe, "sacked": sacked, "lost": lost,
        },
        "receive": {
            "nxt": rcv_nxt, "window": rcv_wnd, "window_shift": rcv_shift, "buffer": receive_buffer,
            "unread": unread,
        },
        "memory": memory,
        "rtt_us": rtt.map(|(smoothed, _)| micros(smoothed)),
        "rtt_variation_us": rtt.map(|(_, variation)| micros(variation)),
        "min_rtt_us": min_rtt.map(micros),
        "rto_us": micros(*rto),
        "options": { "sack": uses_sack, "timestamps": uses_timestamps, "ecn": uses_ecn },
        "congestion": {
            "control": congestion_control.to_string(), "window": cwnd, "pacing_rate": pacing_rate,
            "reordering_seen": has_seen_reordering,
            "slow_start_threshold": (*ssthresh != u32::MAX).then_some(ssthresh), "recovering": is_recovering,
        },
        "bytes_received": bytes_received,
        "timers_us": timers_left(timers),
    });
    told.as_object_mut().expect("made above").extend(totals(tally));
    told
}

fn totals(tally: &info::Tally) -> Map<String, Json> {
    let info::Tally {
        bytes_sent,
        bytes_resent,
        segments_received,
        segments_sent,
        segments_resent,
        mechanisms,
    } = tally;
    let Json::Object(told) = json!({
        "bytes_sent": bytes_sent,
        "bytes_resent": bytes_resent,
        "segments_received": segments_received,
        "segments_sent": segments_sent,
        "segments_resent": segments_resent,
        "timeouts": mechanisms.timeouts,
        "fast_recoveries": mechanisms.fast_recoveries,
        "loss_probes": mechanisms.loss_probes,
        "losses_repaired_by_probes": mechanisms.probe_repairs,
        "spurious_undos": mechanisms.spurious_undos,
        "ecn_reductions": mechanisms.ecn_reductions,
        "dsacks": mechanisms.dsacks,
        "mtu_reductions": mechanisms.mtu_reductions,
    }) else {
        unreachable!("it is written as an object");
    };
    told
}

fn timers_left(timers: &[(&'static str, Duration)]) -> Map<String, Json> {
    timers.iter().map(|(name, left)| ((*name).to_owned(), json!(micros(*left)))).collect()
}

pub(super) fn neighbour(entry: &Entry, now: Instant) -> Json {
    json!({
        "address": entry.ip.to_string(),
        "mac": entry.mac.map(|mac| mac.to_string()),
        "state": entry.state,
        "waiting_packets": entry.parked,
        "changes_in_us": micros(entry.deadline.since(now)),
    })
}

pub(super) fn counters(vitals: &Snapshot<'_>) -> Json {
    let counters = vitals.counters().into_iter().map(|(name, _, value)| (name.to_owned(), json!(value)));
    let drops = vitals.stack.drops().iter().map(|(drop, count)| (drop.name().to_owned(), json!(count)));
    let mechanisms = vitals.stack.counters().mechanisms;
    let mechanisms = mechanisms.iter().map(|(name, _, value)| (format!("tcp_{name}"), json!(value)));
    let counters: Map<String, Json> = counters.chain(mechanisms).collect();
    let drops: Map<String, Json> = drops.collect();
    json!({ "counters": counters, "now": population(vitals), "drops": drops })
}

pub(super) fn impairment<D: Link>(link: &Impair<D>) -> Json {
    let (current, (incoming, outgoing)) = (link.current(), link.tallies());
    let direction = |spec: String, tally: Tally| {
        let Tally { given, lost, queue_full, duplicated, reordered, corrupted, truncated, marked } = tally;
        json!({
            "impairment": spec, "frames": given, "lost": lost, "queue_full": queue_full,
            "duplicated": duplicated, "reordered": reordered, "corrupted": corrupted, "truncated": truncated,
            "marked": marked,
        })
    };
    json!({
        "in": direction(current.incoming.to_string(), incoming),
        "out": direction(current.outgoing.to_string(), outgoing),
    })
}

fn micros(duration: Duration) -> u64 {
    duration.as_nanos() / 1000
}
