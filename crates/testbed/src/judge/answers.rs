//! Judges a producer. In: messages that it has acknowledged, and what is in their topic. Out: where that differs. Pure.

/// A message that was acknowledged. Each has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its value.
    pub value: String,
    /// The answered partition.
    pub partition: i32,
    /// The answered offset; `None`: the producer does not know it.
    pub offset: Option<i64>,
}

/// A message in the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its value.
    pub value: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What may not be of an acknowledged message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerFault {
    /// It is not in the topic.
    Lost(Answer),
    /// It is elsewhere.
    Misplaced(Answer, Stored),
    /// It is there more than once.
    StoredTwice(Answer),
}

/// Everything that may not be.
pub fn judge_answers(answers: &[Answer], topic: &[Stored]) -> Vec<AnswerFault> {
    let fault = |answer: &Answer| {
        let mut stored = topic.iter().filter(|one| one.value == answer.value);
        let Some(first) = stored.next() else {
            return Some(AnswerFault::Lost(answer.clone()));
        };
        if stored.next().is_some() {
            return Some(AnswerFault::StoredTwice(answer.clone()));
        }
        let is_there = first.partition == answer.partition
            && answer.offset.is_none_or(|offset| offset == first.offset);
        (!is_there).then(|| AnswerFault::Misplaced(answer.clone(), first.clone()))
    };
    answers.iter().filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str, offset: Option<i64>) -> Answer {
        Answer {
            value: value.to_owned(),
            partition: 0,
            offset,
        }
    }

    #[test]
    fn what_is_answered_is_once_where_it_was_answered() {
        let stored = |value: &str, partition, offset| Stored {
            value: value.to_owned(),
            partition,
            offset,
        };
        let topic = [
            stored("a", 0, 3),
            stored("b", 0, 4),
            stored("b", 0, 5),
            stored("c", 1, 3),
            stored("d", 0, 6),
        ];
        let (b, c) = (answer("b", Some(4)), answer("c", Some(3)));
        let (d, e) = (answer("d", Some(7)), answer("e", None));
        for (answer, fault) in [
            (answer("a", Some(3)), None),
            (answer("a", None), None),
            (b.clone(), Some(AnswerFault::StoredTwice(b))),
            (c.clone(), Some(AnswerFault::Misplaced(c, topic[3].clone()))),
            (d.clone(), Some(AnswerFault::Misplaced(d, topic[4].clone()))),
            (e.clone(), Some(AnswerFault::Lost(e))),
        ] {
            let found = judge_answers(std::slice::from_ref(&answer), &topic);
            assert_eq!(found, Vec::from_iter(fault), "{answer:?}");
        }
    }
}
