//! Carrying out changes: what `plan` makes of them, and what is remembered of a request.

use super::{
    super::{
        backend::{Accepted, Backend, Books},
        counters::Counter,
        mutation::Before,
        plan::{Planned, plan},
        requests::{self, RequestRow},
        stored_pin,
    },
    Writer,
};
use crate::{
    Pin, ReplicationFactors, UnixMillis,
    mutate::{Mutation as Defect, active},
    ports::{
        consensus::{Applied, AppliedOn, Etag, Operation, OperationKind, Rejection, RequestId},
        datastore::StoreError,
    },
};

impl<B: Backend> Writer<B> {
    pub(super) fn submit(
        &mut self,
        operation: &Operation,
        replication: ReplicationFactors,
        now: UnixMillis,
    ) -> Result<Result<Applied, Rejection>, StoreError> {
        let applied_on = self.config.applied_on;
        let hash = operation.request_id.as_ref().map(|_| requests::hash(operation));
        if let (Some(id), Some(hash)) = (&operation.request_id, &hash)
            && let Some(row) = requests::get(&self.staged, id)?
        {
            if row.hash != *hash {
                return Ok(Err(Rejection::RequestMismatch));
            }
            return Ok(Ok(applied(Pin::decode_lossy(&row.key, &row.value), &row.value, applied_on, true)));
        }
        let key = match &operation.kind {
            OperationKind::Pin(pin) | OperationKind::PinUpdate { pin, .. } => pin.key(),
            OperationKind::Unpin(key) => key.clone(),
        };
        let before = Before::read(&self.staged, &key)?;
        let planned = plan(
            operation,
            &key,
            before.as_ref().map(|b| &b.pin),
            before.as_ref().map(|b| b.row.as_slice()),
            replication,
            &self.staged,
            now,
        )?;
        let planned = match planned {
            Ok(planned) => planned,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let change = Accepted {
            key: &key,
            value: match &planned {
                Planned::Put { value, .. } => Some(value),
                Planned::Remove => None,
            },
            previous: before.as_ref().map(Before::value),
        };
        let (mut mutation, backend) = self.mutation(now);
        let books =
            Books { staged: mutation.staged, counters: mutation.counters, fingerprint: mutation.fingerprint };
        backend.accept(books, change, now)?;
        let answer = match planned {
            Planned::Put { pin, value } => {
                mutation.put_pin(&key, &pin, &value, before.as_ref())?;
                applied(*pin, &value, applied_on, false)
            }
            Planned::Remove => {
                let Some(before) = before else { return Ok(Err(Rejection::NotPinned)) };
                mutation.remove_pin(&key, &before)?;
                let etag = stored_pin::etag(&before.row);
                let value = before.value().to_vec();
                if let (Some(id), Some(hash)) = (&operation.request_id, hash) {
                    self.remember(id, RequestRow { hash, key, value }, now);
                }
                return Ok(Ok(Applied { pin: before.pin, etag, durability: applied_on, repeated: false }));
            }
        };
        if let (Some(id), Some(hash)) = (&operation.request_id, hash) {
            let value = answer.pin.encode();
            self.remember(id, RequestRow { hash, key, value }, now);
        }
        Ok(Ok(answer))
    }

    pub(super) fn import(&mut self, pin: &Pin, now: UnixMillis) -> Result<Applied, StoreError> {
        let key = pin.key();
        let value = pin.encode();
        let before = Before::read(&self.staged, &key)?;
        let applied_on = self.config.applied_on;
        let (mut mutation, backend) = self.mutation(now);
        let books =
            Books { staged: mutation.staged, counters: mutation.counters, fingerprint: mutation.fingerprint };
        let change =
            Accepted { key: &key, value: Some(&value), previous: before.as_ref().map(Before::value) };
        backend.accept(books, change, now)?;
        match &before {
            Some(before) => mutation.put_pin(&key, pin, &value, Some(before))?,
            None => mutation.put_first_pin(&key, pin, &value),
        }
        Ok(applied(pin.clone(), &value, applied_on, false))
    }

    fn remember(&mut self, id: &RequestId, row: RequestRow, now: UnixMillis) {
        if active(Defect::ForgetRequest) {
            return;
        }
        requests::put(&mut self.staged, id, &row, now);
        self.counters.add(Counter::Requests, 1);
    }
}

fn applied(pin: Pin, value: &[u8], durability: AppliedOn, repeated: bool) -> Applied {
    Applied { pin, etag: Etag::of(value), durability, repeated }
}
