//! What SLURM's variables say about where processes meet.

/// The first host of a node list such as `gpu[07-09,12],login`; `None` if the list is malformed.
pub(super) fn first_host(list: &str) -> Option<String> {
    let mut host = String::new();
    let mut rest = list.trim();
    loop {
        let end = rest.find(['[', ',']).unwrap_or(rest.len());
        host.push_str(&rest[..end]);
        match rest[end..].strip_prefix('[') {
            None => return Some(host).filter(|host| !host.is_empty()),
            Some(range) => {
                let (range, behind) = range.split_once(']')?;
                host.push_str(range.split([',', '-']).next().unwrap_or_default());
                rest = behind;
            }
        }
    }
}

/// A port that jobs on one host, and the steps of a job, rarely share. Below the ports that systems give out themselves.
pub(super) fn port(job: usize, step: usize) -> u16 {
    /// A prime, so that the first steps of neighbouring jobs differ.
    const APART: usize = 1009;
    let number = job.wrapping_add(step.wrapping_mul(APART)) % 10000;
    20000 + u16::try_from(number).expect("below 10000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_host_of_a_distributed_job_is_read_from_a_compressed_list() {
        let host = |list| first_host(list);
        assert_eq!(host("gpu[07-09,12],login").as_deref(), Some("gpu07"));
        assert_eq!(host("r[1-2]n[03-04]-ib").as_deref(), Some("r1n03-ib"));
        assert_eq!(host("a1,b[2-3]").as_deref(), Some("a1"));
        assert_eq!(host("node5").as_deref(), Some("node5"));
        assert_eq!(host("n[5,7]").as_deref(), Some("n5"));
        assert_eq!(host("x[1"), None);
        assert_eq!(host(""), None);
        assert_eq!(host(",a"), None);
    }

    #[test]
    fn ports_of_distributed_jobs_are_below_the_ephemeral_range() {
        assert_eq!(port(0, 0), 20000);
        assert_eq!(port(123_456_789, 0), 26789);
        assert_eq!((port(9999, 0), port(9999, 1), port(9998, 0)), (29999, 21008, 29998));
    }
}
